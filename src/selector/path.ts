import { SelectorError } from './errors.ts'

/** Paths to members of documents: names between dots; a dot that belongs to a name has a `\` before it. */
export type FieldPath = readonly string[]

/** `missing`: the last object on the way has no such member. `astray`: there was nothing to look into. */
export type Found = { value: unknown } | 'missing' | 'astray'

/** Throws SelectorError invalid_field_name for an empty name. */
export function parsePath(field: string): FieldPath {
  const parts = field.split(/(?<!\\)\./).map((part) => part.replaceAll('\\', ''))
  if (parts.includes('')) throw new SelectorError('invalid_field_name', `Invalid field name: ${field}`)
  return parts
}

/** A name may be an index, from 0, into an array. */
export function findPath(root: unknown, path: FieldPath): Found {
  let value = root
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return 'astray'
    if (Array.isArray(value)) {
      const index = /^\+?\d+$/.test(name) ? Number(name) : -1
      if (index < 0 || index >= value.length) return 'astray'
      value = value[index]
    } else {
      if (!Object.hasOwn(value, name)) return 'missing'
      value = (value as Record<string, unknown>)[name]
    }
  }
  return { value }
}
