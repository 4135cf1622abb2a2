import { DatabaseError } from '../base/errors.ts'
import { elementsOf, isArrayAt, isStringAt, skipValue, stringAt } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { SelectorBudget } from './budget.ts'
import { DocumentFields, type Field, type StoredDocument } from './document-fields.ts'
import { printPlain, SelectorError } from './errors.ts'
import type { JsonSlice } from './json-slice.ts'
import { parsePath } from './path.ts'

/** For each something is made before the first document. */
const MOST_FIELDS = 10_000

/** The text of the parts of a document that are asked for. Throws selectorTimeout. */
export type Projection<Document extends StoredDocument> = (document: Document) => Buffer

/** What is shown of a document: the value of a field, or parts of it. */
interface Shown {
  readonly head: string
  readonly parts: Map<string, Shown>
  /** Of what is shown whole. */
  field: Field | undefined
}

/** The names in a list of fields, as they are written. Throws SelectorError, and requestTooLarge. */
export function readFields({ text, at }: JsonSlice): readonly string[] {
  if (!isArrayAt(text, at)) {
    const shown = printPlain(text.toString('utf8', at, skipValue(text, at)))
    throw new SelectorError('invalid_fields', `Fields must be an array of strings, not: ${shown}`)
  }
  const elements = elementsOf(text, at)
  if (elements.length > MOST_FIELDS) throw new DatabaseError('requestTooLarge')
  return elements.map((field) => {
    if (isStringAt(text, field)) return stringAt(text, field)
    const shown = printPlain(text.toString('utf8', field, skipValue(text, field)))
    throw new SelectorError('invalid_field', `Invalid JSON for field spec: ${shown}`)
  })
}

/**
 * No fields are all fields: undefined. What a document lacks is left out; indexes of arrays become names, as CouchDB has it.
 * `whole`: the text of a document with its special members. Throws SelectorError.
 */
export function compileFields<Document extends StoredDocument>(
  names: readonly string[],
  whole: (document: Document) => Buffer,
  budget = new SelectorBudget(),
): Projection<Document> | undefined {
  if (names.length === 0) return undefined
  const fields = new DocumentFields(whole, budget)
  const root: Shown = { head: '', parts: new Map(), field: undefined }
  for (const name of names) {
    const path = parsePath(name)
    let at = root
    for (const part of path) {
      let next = at.parts.get(part)
      if (next === undefined) {
        next = { head: `${stringText(part)}:`, parts: new Map(), field: undefined }
        at.parts.set(part, next)
      }
      at = next
    }
    at.field = fields.field(path)
  }
  return (document) => {
    fields.open(document)
    return budget.measure(() => {
      const pieces: (string | Buffer)[] = []
      writeParts(pieces, root, budget)
      return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
    })
  }
}

function writeParts(pieces: (string | Buffer)[], { parts }: Shown, budget: SelectorBudget): void {
  pieces.push('{')
  let comma = ''
  for (const shown of parts.values()) {
    const before = pieces.length
    pieces.push(comma + shown.head)
    if (writeShown(pieces, shown, budget)) comma = ','
    else pieces.length = before
  }
  pieces.push('}')
}

/** False where there is nothing to show. */
function writeShown(pieces: (string | Buffer)[], shown: Shown, budget: SelectorBudget): boolean {
  budget.step()
  const { field } = shown
  const at = field?.find() ?? -1
  if (field !== undefined && at >= 0) {
    pieces.push(field.text.subarray(at, skipValue(field.text, at)))
    return true
  }
  if (shown.parts.size === 0) return false
  const before = pieces.length
  writeParts(pieces, shown, budget)
  return pieces.length > before + 2
}
