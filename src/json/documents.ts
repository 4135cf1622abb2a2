import { runAtOnce, type Steps } from '../base/time-slice.ts'
import { JsonScanner, type ScannedDocument } from './scanner.ts'
import { Slab } from './slab.ts'
import { SpecialPlaces } from './special-places.ts'

export { INVALID_JSON, JsonSyntaxError } from './errors.ts'
export type { JsonScanner as DocumentScan, ScannedDocument } from './scanner.ts'

const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const COMMA = 0x2c
const COLON = 0x3a
const QUOTE = 0x22

/** Scans that are not in steps call nothing back, so one scanner with its buffers serves them all. */
const shared = new JsonScanner()

/** Texts up to here are scanned in one step: the costliest take some milliseconds. */
export const SHORT_TEXT_BYTES = 64 * 1024
const STEP_BYTES = 32 * 1024
const STEP_DOCUMENTS = 256

/** What stands beside an array of documents, and the documents. */
export interface ScannedBatch {
  /** One for each element, null for an element that is not an object; null if the member is no array. */
  readonly documents: readonly (ScannedDocument | null)[] | null
  /** The canonical texts of the members that were asked for; that of the array's own name too if its value is no array. */
  readonly members: ReadonlyMap<string, Buffer>
}

/**
 * Hears, while a long document is scanned, how many bytes its text has so far, special members excepted, and the
 * canonical text of its `_id` where that has come. What it throws ends the scan.
 */
export type CheckDocument = (bytes: number, id: Buffer | undefined) => void

export interface BatchOptions {
  check?: CheckDocument
  /** Of the array. Default `docs`. */
  name?: string
  /** Other members that are wanted. */
  members?: readonly string[]
  /** Called with the number of documents so far; what it throws ends the scan. */
  onDocument?: (count: number) => void
}

/**
 * Scans the text of one document. The answer's buffers may be views of `text`, which must not change while
 * they are in use. Null where the text is JSON but no object. Throws JsonSyntaxError.
 */
export function scanDocument(text: Uint8Array): ScannedDocument | null {
  return scan(text, () => shared.document())
}

/** The same in steps. */
export function scanDocumentSteps(text: Uint8Array, check?: CheckDocument): Steps<ScannedDocument | null> {
  return scanSteps(text, (scanner) => documentSteps(scanner, check))
}

/**
 * Scans an object one member of which is an array of documents, as in `{"docs":[...]}` of `_bulk_docs`. Null
 * where the text is JSON but no object. Throws JsonSyntaxError.
 */
export function scanDocuments(text: Uint8Array, options: BatchOptions = {}): ScannedBatch | null {
  return scan(text, () => runAtOnce(batchSteps(shared, options, elementSteps)))
}

/** The same in steps. */
export function scanDocumentsSteps(text: Uint8Array, options: BatchOptions = {}): Steps<ScannedBatch | null> {
  return scanSteps(text, (scanner) => batchSteps(scanner, options, elementSteps))
}

/** Reads one document after the other where the scanner has it. */
export interface DocumentReader {
  /** Where the term of the next document begins in the scanner's memory: what lies before it stays as it is. */
  readonly termStart: number
  /** An array begins; what came of one before does not count. */
  begin(): void
  /** What it throws ends the scan. */
  take(document: JsonScanner): void
  /** The array has ended. */
  end(): void
}

/**
 * The same, for who reads each document as it comes: none is kept, and `documents` is empty. Their special members have
 * places instead of values, and `hasPlaces` says of each whether that is so of all.
 */
export function readDocumentsSteps(
  text: Uint8Array,
  options: BatchOptions,
  reader: DocumentReader,
): Steps<ScannedBatch | null> {
  const elements: ElementSteps = (scanner, given) => readElementSteps(scanner, given, reader)
  return scanSteps(text, (scanner) => batchSteps(scanner, options, elements))
}

/**
 * The canonical text of any JSON value: no white space, one spelling for each string and number, of
 * repeated keys the last. May be a view of `text`. Throws JsonSyntaxError.
 */
export function canonicalize(text: Uint8Array): Buffer {
  return scan(text, () => shared.canonical())
}

/** Hears how many values there are so far, and members in the object that has most. What it throws ends the scan. */
type CheckSize = (values: number, mostMembers: number) => void

/** The same in steps. `check` is called after each. */
export function canonicalizeSteps(text: Uint8Array, check?: CheckSize): Steps<Buffer> {
  return scanSteps(text, (scanner) => valueSteps(scanner, check))
}

/** The external term of any JSON value, as Erlang writes it. Throws JsonSyntaxError. */
export function termOf(text: Uint8Array): Buffer {
  return scan(text, () => {
    shared.canonical()
    return shared.term()
  })
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

/** A long text has a scanner of its own: others scan between its steps. */
function* scanSteps<T>(text: Uint8Array, read: (scanner: JsonScanner) => Steps<T>): Steps<T> {
  if (text.length <= SHORT_TEXT_BYTES) return scan(text, () => runAtOnce(read(shared)))
  const scanner = new JsonScanner()
  scanner.open(text)
  const result = yield* read(scanner)
  scanner.finish()
  return result
}

function* valueSteps(scanner: JsonScanner, check?: CheckSize): Steps<Buffer> {
  scanner.beginValue()
  while (!scanner.advance(STEP_BYTES)) {
    check?.(scanner.values, scanner.mostMembers)
    yield
  }
  check?.(scanner.values, scanner.mostMembers)
  return scanner.text()
}

function* documentSteps(scanner: JsonScanner, check?: CheckDocument): Steps<ScannedDocument | null> {
  scanner.beginDocument()
  while (!scanner.advance(STEP_BYTES)) {
    if (check !== undefined) checkProgress(scanner, check)
    yield
  }
  return scanner.scannedDocument()
}

function checkProgress(scanner: JsonScanner, check: CheckDocument): void {
  const { bytes, id } = scanner.progress
  check(bytes, id)
}

/** The elements of the array that begins. */
type ElementSteps = (scanner: JsonScanner, options: BatchOptions) => Steps<(ScannedDocument | null)[]>

function* batchSteps(
  scanner: JsonScanner,
  options: BatchOptions,
  elements: ElementSteps,
): Steps<ScannedBatch | null> {
  const { name = 'docs', members: wanted = [] } = options
  if (scanner.peek() !== OPEN_BRACE) {
    yield* valueSteps(scanner)
    return null
  }
  let documents: (ScannedDocument | null)[] | null = null
  const members = new Map<string, Buffer>()
  scanner.accept(OPEN_BRACE)
  if (scanner.accept(CLOSE_BRACE)) return { documents, members }
  do {
    yield
    const key = yield* keySteps(scanner)
    members.delete(key)
    if (key === name) documents = null
    if (key === name && scanner.peek() === OPEN_BRACKET) {
      documents = yield* elements(scanner, options)
      continue
    }
    const text = yield* valueSteps(scanner)
    if (key === name || wanted.includes(key)) members.set(key, text)
  } while (scanner.accept(COMMA))
  if (!scanner.accept(CLOSE_BRACE)) scanner.fail()
  return { documents, members }
}

/** A string and the colon behind it. */
function* keySteps(scanner: JsonScanner): Steps<string> {
  if (scanner.peek() !== QUOTE) scanner.fail()
  scanner.beginValue()
  while (!scanner.advance(STEP_BYTES)) yield
  const name = scanner.string()
  if (!scanner.accept(COLON)) scanner.fail()
  return name
}

function* elementSteps(
  scanner: JsonScanner,
  { onDocument, check }: BatchOptions,
): Steps<(ScannedDocument | null)[]> {
  const documents: (ScannedDocument | null)[] = []
  scanner.accept(OPEN_BRACKET)
  if (scanner.accept(CLOSE_BRACKET)) return documents
  scanner.slab = new Slab()
  do {
    scanner.beginDocument()
    while (!scanner.advance(STEP_BYTES)) {
      if (check !== undefined) checkProgress(scanner, check)
      yield
    }
    documents.push(scanner.scannedDocument())
    onDocument?.(documents.length)
    if (documents.length % STEP_DOCUMENTS === 0) yield
  } while (scanner.accept(COMMA))
  scanner.slab = undefined
  if (!scanner.accept(CLOSE_BRACKET)) scanner.fail()
  return documents
}

function* readElementSteps(
  scanner: JsonScanner,
  { check, onDocument }: BatchOptions,
  reader: DocumentReader,
): Steps<(ScannedDocument | null)[]> {
  reader.begin()
  scanner.accept(OPEN_BRACKET)
  if (scanner.accept(CLOSE_BRACKET)) return []
  const places = new SpecialPlaces()
  let count = 0
  do {
    scanner.notePlaces(places, reader.termStart)
    scanner.beginDocument()
    while (!scanner.advance(STEP_BYTES)) {
      if (check !== undefined) checkProgress(scanner, check)
      yield
    }
    reader.take(scanner)
    count += 1
    onDocument?.(count)
    if (count % STEP_DOCUMENTS === 0) yield
  } while (scanner.accept(COMMA))
  reader.end()
  scanner.notePlaces(undefined, 0)
  if (!scanner.accept(CLOSE_BRACKET)) scanner.fail()
  return []
}
