import { SelectorBudget } from './budget.ts'
import { printPlain, SelectorError } from './errors.ts'
import { type FieldPath, findPath, parsePath } from './path.ts'

/** The parts of a document that are asked for; undefined for all of it. */
export type Projection = ((document: unknown) => Record<string, unknown>) | undefined

/**
 * No fields are all fields. What a document lacks is left out. The answer throws selectorTimeout when the budget does not
 * suffice. Throws SelectorError.
 */
export function compileFields(fields: unknown, budget = new SelectorBudget()): Projection {
  if (!Array.isArray(fields)) {
    throw new SelectorError(
      'invalid_fields',
      `Fields must be an array of strings, not: ${printPlain(fields)}`,
    )
  }
  if (fields.length === 0) return undefined
  const paths = fields.map((field: unknown): FieldPath => {
    if (typeof field === 'string') return parsePath(field)
    throw new SelectorError('invalid_field', `Invalid JSON for field spec: ${printPlain(field)}`)
  })
  return (document) =>
    budget.measure(() => {
      const shown: Record<string, unknown> = {}
      for (const path of paths) {
        budget.step()
        const found = findPath(document, path)
        if (typeof found === 'object') place(shown, path, found.value)
      }
      return shown
    })
}

/** Indexes of arrays become names, as CouchDB has it. */
function place(target: Record<string, unknown>, path: FieldPath, value: unknown): void {
  let at = target
  for (const name of path.slice(0, -1)) {
    const next = Object.hasOwn(at, name) ? at[name] : undefined
    // Another path asked for the whole of what this one wants a part of: it is there already.
    if (next !== undefined && (typeof next !== 'object' || next === null || Array.isArray(next))) return
    if (next === undefined) define(at, name, {})
    at = at[name] as Record<string, unknown>
  }
  define(at, path.at(-1)!, value)
}

/** A plain assignment would take `__proto__` for something else. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}
