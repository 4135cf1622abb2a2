import { JsonScanner, type ScannedDocument } from './scanner.ts'

export { INVALID_JSON, JsonSyntaxError } from './errors.ts'
export type { ScannedDocument } from './scanner.ts'

const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const COMMA = 0x2c

/** Scans are synchronous and call nothing back, so one scanner with its buffers serves them all. */
const scanner = new JsonScanner()

/** What stands beside an array of documents, and the documents. */
export interface ScannedBatch {
  /** One for each element, null for an element that is not an object; null if the member is no array. */
  readonly documents: readonly (ScannedDocument | null)[] | null
  /** The other members, parsed; the array's own name too if its value is no array. */
  readonly members: ReadonlyMap<string, unknown>
}

/**
 * Scans the text of one document. The answer's buffers may be views of `text`, which must not change while
 * they are in use. Null where the text is JSON but no object. Throws JsonSyntaxError.
 */
export function scanDocument(text: Uint8Array): ScannedDocument | null {
  return scan(text, () => scanner.document())
}

/**
 * Scans an object one member of which, `name`, is an array of documents, as in `{"docs":[...]}` of
 * `_bulk_docs`. The other members lose the exact text of their numbers. Null where the text is JSON but no
 * object. Throws JsonSyntaxError.
 */
export function scanDocuments(text: Uint8Array, name = 'docs'): ScannedBatch | null {
  return scan(text, () => {
    if (scanner.peek() === OPEN_BRACE) return batch(name)
    scanner.canonical()
    return null
  })
}

/**
 * The canonical text of any JSON value: no white space, one spelling for each string and number, of
 * repeated keys the last. May be a view of `text`. Throws JsonSyntaxError.
 */
export function canonicalize(text: Uint8Array): Buffer {
  return scan(text, () => scanner.canonical())
}

function scan<T>(text: Uint8Array, read: () => T): T {
  try {
    scanner.open(text)
    const result = read()
    scanner.finish()
    return result
  } finally {
    scanner.close()
  }
}

function batch(name: string): ScannedBatch {
  let documents: (ScannedDocument | null)[] | null = null
  const members = new Map<string, unknown>()
  scanner.accept(OPEN_BRACE)
  if (scanner.accept(CLOSE_BRACE)) return { documents, members }
  do {
    const key = scanner.key()
    members.delete(key)
    if (key === name) documents = null
    if (key === name && scanner.peek() === OPEN_BRACKET) documents = elements()
    else members.set(key, JSON.parse(scanner.canonical().toString()))
  } while (scanner.accept(COMMA))
  if (!scanner.accept(CLOSE_BRACE)) scanner.fail()
  return { documents, members }
}

function elements(): (ScannedDocument | null)[] {
  const documents: (ScannedDocument | null)[] = []
  scanner.accept(OPEN_BRACKET)
  if (scanner.accept(CLOSE_BRACKET)) return documents
  do documents.push(scanner.document())
  while (scanner.accept(COMMA))
  if (!scanner.accept(CLOSE_BRACKET)) scanner.fail()
  return documents
}
