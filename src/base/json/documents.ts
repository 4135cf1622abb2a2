import { runAtOnce, type Steps } from '../time-slice.ts'
import { JsonScanner, type ScannedDocument } from './scanner.ts'
import { parseSteps } from './value-steps.ts'

export { INVALID_JSON, JsonSyntaxError } from './errors.ts'
export type { ScannedDocument } from './scanner.ts'

const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const COMMA = 0x2c

/** One scanner with its buffers serves all texts that are scanned at once: such a scan calls nothing back. */
const shared = new JsonScanner()
/** Longer texts are scanned in steps, where the caller can: the slowest of this length takes some milliseconds. */
const SHORT_TEXT_BYTES = 64 * 1024
const STEP_DOCUMENTS = 64

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
  return scan(text, () => shared.document())
}

/** The same, in steps where the text is long. */
export function scanDocumentSteps(text: Uint8Array): Steps<ScannedDocument | null> {
  return scanSteps(text, (scanner) => scanner.documentSteps())
}

/**
 * Scans an object one member of which, `name`, is an array of documents, as in `{"docs":[...]}` of
 * `_bulk_docs`. The other members lose the exact text of their numbers. Null where the text is JSON but no
 * object. Throws JsonSyntaxError.
 */
export function scanDocuments(text: Uint8Array, name = 'docs'): ScannedBatch | null {
  return runAtOnce(scanDocumentsSteps(text, name))
}

/** The same in steps. */
export function scanDocumentsSteps(text: Uint8Array, name = 'docs'): Steps<ScannedBatch | null> {
  return scanSteps(text, (scanner) => batchSteps(scanner, name))
}

/**
 * The canonical text of any JSON value: no white space, one spelling for each string and number, of
 * repeated keys the last. May be a view of `text`. Throws JsonSyntaxError.
 */
export function canonicalize(text: Uint8Array): Buffer {
  return scan(text, () => shared.canonical())
}

/** The same, in steps where the text is long. */
export function canonicalSteps(text: Uint8Array): Steps<Buffer> {
  return scanSteps(text, (scanner) => scanner.canonicalSteps())
}

function scan<T>(text: Uint8Array, read: () => T): T {
  try {
    shared.open(text)
    const result = read()
    shared.finish()
    return result
  } finally {
    shared.close()
  }
}

function* scanSteps<T>(text: Uint8Array, read: (scanner: JsonScanner) => Steps<T>): Steps<T> {
  if (text.length <= SHORT_TEXT_BYTES) return scan(text, () => runAtOnce(read(shared)))
  const scanner = new JsonScanner()
  scanner.open(text)
  const result = yield* read(scanner)
  scanner.finish()
  return result
}

function* batchSteps(scanner: JsonScanner, name: string): Steps<ScannedBatch | null> {
  if (scanner.peek() !== OPEN_BRACE) {
    yield* scanner.canonicalSteps()
    return null
  }
  let documents: (ScannedDocument | null)[] | null = null
  const members = new Map<string, unknown>()
  scanner.accept(OPEN_BRACE)
  if (scanner.accept(CLOSE_BRACE)) return { documents, members }
  do {
    const key = scanner.key()
    members.delete(key)
    if (key === name) documents = null
    if (key === name && scanner.peek() === OPEN_BRACKET) documents = yield* elementSteps(scanner)
    else members.set(key, yield* parseSteps((yield* scanner.canonicalSteps()).toString()))
    yield
  } while (scanner.accept(COMMA))
  if (!scanner.accept(CLOSE_BRACE)) scanner.fail()
  return { documents, members }
}

function* elementSteps(scanner: JsonScanner): Steps<(ScannedDocument | null)[]> {
  const documents: (ScannedDocument | null)[] = []
  scanner.accept(OPEN_BRACKET)
  if (scanner.accept(CLOSE_BRACKET)) return documents
  do {
    documents.push(yield* scanner.documentSteps())
    if (documents.length % STEP_DOCUMENTS === 0) yield
  } while (scanner.accept(COMMA))
  if (!scanner.accept(CLOSE_BRACKET)) scanner.fail()
  return documents
}
