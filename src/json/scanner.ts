import type { CanonicalOutput } from './canonical-output.ts'
import * as X from './characters.ts'
import { bury, type DeadRange, withoutRanges } from './dead-ranges.ts'
import { KeyTable } from './key-table.ts'
import type { Slab } from './slab.ts'
import { NO_PLACE, type SpecialPlaces } from './special-places.ts'
import { BINARY_HEAD_SIZE, PAIR_HEAD_SIZE, type TermWriter } from './term-writer.ts'
import { JsonTokens } from './tokens.ts'

// One pass over the bytes of a JSON text checks it, makes its canonical text, and writes its external term.
// - Nesting lives in an integer array, never on the call stack.
// - Every step is linear: what repeated keys take out is noted and removed once, at the end.
// - Where a scan stands is in members alone, so that it may stop between two tokens, or within a string, and go on.
// The canonical text: no white space; strings unescaped but for `\" \\ \b \t \n \f \r` and `\u000B`-style
// upper-case hex for the other controls; the last of repeated keys in the last place; integers verbatim
// but `-0` as `0`; floats as `floatText` writes them.

// A frame is [where the container's list head is in the term, members so far, where its keys begin in the
// key table or ARRAY].
const FRAME_STRIDE = 3
const ARRAY = -1

/** What comes next: a value, what follows one, or the rest of a string that was left: a value's or a key's. */
const VALUE = 0
const AFTER_VALUE = 1
const REST_OF_VALUE = 2
const REST_OF_KEY = 3

/**
 * What a scan holds beside its text is bounded, far beyond what a document of 8 MB can have: containers in each other,
 * members of those that are open, and runs of repeated names.
 */
const MOST_LEVELS = 4 * 1024 * 1024
const MOST_MEMBERS = 1024 * 1024
const MOST_REPEATED = 256 * 1024
const TOO_DEEP = `more than ${MOST_LEVELS} levels are not supported`
const TOO_MANY_MEMBERS = `more than ${MOST_MEMBERS} members are not supported`
const TOO_MANY_REPEATED = `more than ${MOST_REPEATED} repeated names are not supported`

const NO_MEMBERS = new Map<string, Buffer>()

/**
 * The members whose name begins with an underscore and that are part of a document's body nevertheless:
 * hashed, stored and answered where they stand.
 */
const BODY_MEMBERS: ReadonlySet<string> = new Set([
  '_access',
  '_replication_state',
  '_replication_state_time',
  '_replication_state_reason',
  '_replication_id',
  '_replication_stats',
])

/** A document's three parts. */
export interface ScannedDocument {
  /** The canonical text of the object without its special members; may be a view of the scanned bytes. */
  readonly body: Buffer
  /** The external term of `body`. */
  readonly term: Buffer
  /**
   * The members that are not part of the body, `_id`, `_rev` and any other `_` name, each with the canonical
   * text of its value. In the order of the text; of repeated names the last value, in the last place.
   */
  readonly special: ReadonlyMap<string, Buffer>
}

/** The special member whose value is being scanned, and what to go back to when it is over. */
interface OpenSpecial {
  readonly name: string
  /** Of the places, where those are noted and not the value. */
  readonly place: number
  readonly termStart: number
  readonly textStart: number
  readonly valueStart: number
  readonly deadText: number
  readonly deadTerm: number
}

/** A scan in progress; one object serves any number of texts, one after the other. */
export class JsonScanner {
  readonly #tokens = new JsonTokens()
  readonly #keys = new KeyTable()
  #frames = new Int32Array(64 * FRAME_STRIDE)
  #depth = 0
  #deadText: DeadRange[] = []
  #deadTerm: DeadRange[] = []
  #isDocument = false
  /** The special members of the document being scanned; NO_MEMBERS until there is one. */
  #special: Map<string, Buffer> = NO_MEMBERS
  #openSpecial: OpenSpecial | null = null
  #next = VALUE
  /** Values that were begun, keys excepted, since the last begin. */
  values = 0
  /** Of the objects that have ended, how many the one has that has most. */
  mostMembers = 0
  /** What is answered lies in memory of it; undefined: each for itself. */
  slab: Slab | undefined
  /** Of the documents that are scanned, instead of the values of their special members; undefined: the values. */
  places: SpecialPlaces | undefined
  /** Where the member begins whose key is being scanned. */
  #memberTermStart = 0
  #memberTextStart = 0

  /** Starts on `text`. Throws JsonSyntaxError where that is not UTF-8. */
  open(text: Uint8Array): void {
    this.#tokens.open(text)
  }

  /** Forgets the text, also after an error. */
  close(): void {
    this.#tokens.close()
    this.#depth = 0
    this.#isDocument = false
    this.slab = undefined
    this.notePlaces(undefined, 0)
    this.#special = NO_MEMBERS
    this.#openSpecial = null
    if (this.#deadText.length > 0) this.#deadText = []
    if (this.#deadTerm.length > 0) this.#deadTerm = []
    this.#keys.clear()
    if (this.#frames.length > 65536 * FRAME_STRIDE) this.#frames = new Int32Array(64 * FRAME_STRIDE)
  }

  /** Skips white space and answers the byte that follows it, or -1 at the end. */
  peek(): number {
    return this.#tokens.peek()
  }

  /** Steps over `byte` if it comes next, but for white space. */
  accept(byte: number): boolean {
    return this.#tokens.accept(byte)
  }

  /** Throws JsonSyntaxError at the present place. */
  fail(): never {
    return this.#tokens.fail()
  }

  /** Throws unless nothing but white space is left. */
  finish(): void {
    this.#tokens.finish()
  }

  /** Scans any value and answers its canonical text, which may be a view of the scanned bytes. */
  canonical(): Buffer {
    this.beginValue()
    this.advance()
    return this.text()
  }

  /** Scans a value as a document; null where it is not an object. */
  document(): ScannedDocument | null {
    this.beginDocument()
    this.advance()
    return this.scannedDocument()
  }

  /** From the next document on, whose term begins at `termStart` of its memory. */
  notePlaces(places: SpecialPlaces | undefined, termStart: number): void {
    this.places = places
    this.#tokens.termStart = termStart
  }

  /** Starts on a value, which `advance` scans and `text` or `string` answers. */
  beginValue(): void {
    this.#isDocument = false
    this.#start()
  }

  /** Starts on a document, which `advance` scans and `scannedDocument` answers. */
  beginDocument(): void {
    this.#isDocument = this.peek() === X.OPEN_BRACE
    this.#special = NO_MEMBERS
    this.places?.forget()
    this.#tokens.term.hasNegativeZero = false
    this.#start()
  }

  /** Scans on, for about `bytes` bytes. Answers whether the value is complete. */
  advance(bytes = Number.POSITIVE_INFINITY): boolean {
    return this.#run(this.#tokens.position + bytes)
  }

  /** Bytes of the document's text so far, special members excepted, and its `_id` where that has come. */
  get progress(): { bytes: number; id: Buffer | undefined } {
    const { output, position } = this.#tokens
    const bytes = this.#openSpecial?.textStart ?? output.offset(position)
    return { bytes, id: this.#special.get('_id') }
  }

  /** The canonical text of the value that was scanned. */
  text(): Buffer {
    return this.#textFrom(0, 0)
  }

  /** The external term of the value that was scanned. */
  term(): Buffer {
    return this.#wholeTerm()
  }

  /** What the string that was scanned says. */
  string(): string {
    const { term, termStart } = this.#tokens
    return term.bytes.toString('utf8', termStart + BINARY_HEAD_SIZE, term.length)
  }

  /** Of the value that was scanned, in memory that is used again: its term, from `termStart` to its length. */
  get writtenTerm(): TermWriter {
    return this.#tokens.term
  }

  /** The text that is scanned, and the canonical one that was made of it. */
  get canonicalOutput(): CanonicalOutput {
    return this.#tokens.output
  }

  /** Where the scan stands in the text. */
  get position(): number {
    return this.#tokens.position
  }

  /** Whether the document that was scanned is an object all of whose special members have places, and has no repeated keys. */
  get hasPlaces(): boolean {
    return this.#isDocument && this.places?.isKnown === true && this.#deadTerm.length === 0
  }

  /** The document that was scanned. */
  scannedDocument(): ScannedDocument | null {
    if (!this.#isDocument) return null
    return { body: this.#textFrom(0, 0), term: this.#wholeTerm(), special: this.#special }
  }

  #start(): void {
    this.#tokens.start()
    this.#keys.size = 0
    this.#depth = 0
    this.#next = VALUE
    this.values = 0
    this.mostMembers = 0
    if (this.#deadText.length > 0) this.#deadText = []
    if (this.#deadTerm.length > 0) this.#deadTerm = []
  }

  #wholeTerm(): Buffer {
    const { bytes, length } = this.#tokens.term
    if (this.#deadTerm.length > 0) return withoutRanges(bytes.subarray(0, length), 0, this.#deadTerm)
    const term = this.slab === undefined ? Buffer.allocUnsafe(length) : this.slab.take(length)
    bytes.copy(term, 0, 0, length)
    return term
  }

  /** The output from `offset` on, without what was noted as dead since there were `dead` such notes. */
  #textFrom(offset: number, dead: number): Buffer {
    const text = this.#tokens.output.take(offset, this.#tokens.position, this.slab)
    if (this.#deadText.length === dead) return text
    return withoutRanges(text, offset, this.#deadText.slice(dead))
  }

  /** Scans up to about `limit`. Answers whether the value is complete. */
  #run(limit: number): boolean {
    const tokens = this.#tokens
    let next = this.#next
    while (tokens.position < limit) {
      if (next === AFTER_VALUE) {
        if (this.#depth === 0) return true
        next = this.#afterValue(limit)
      } else if (next === VALUE) next = this.#scalarOrOpen(limit)
      else if (!tokens.restOfString(limit)) break
      else next = next === REST_OF_VALUE ? AFTER_VALUE : this.#memberKey()
    }
    this.#next = next
    return next === AFTER_VALUE && this.#depth === 0
  }

  /** Scans a scalar, or opens a container. Answers what comes next. */
  #scalarOrOpen(limit: number): number {
    const tokens = this.#tokens
    const byte = tokens.next()
    this.values++
    if (byte === X.QUOTE) return tokens.string(limit) ? AFTER_VALUE : REST_OF_VALUE
    if (byte === X.OPEN_BRACE) return this.#openObject(limit)
    if (byte === X.OPEN_BRACKET) return this.#openArray()
    if (byte === X.MINUS || (byte >= X.ZERO && byte <= X.NINE)) tokens.number()
    else tokens.literal(byte)
    return AFTER_VALUE
  }

  /** Goes on within a container, or closes it. Answers what comes next. */
  #afterValue(limit: number): number {
    const tokens = this.#tokens
    const frame = (this.#depth - 1) * FRAME_STRIDE
    const frames = this.#frames
    if (this.#depth === 1 && this.#openSpecial !== null) this.#closeSpecial(this.#openSpecial, frame)
    else frames[frame + 1]!++
    const isArray = frames[frame + 2] === ARRAY
    const byte = tokens.next()
    if (byte === X.COMMA) {
      tokens.position++
      return isArray ? VALUE : this.#member(limit)
    }
    if (byte !== (isArray ? X.CLOSE_BRACKET : X.CLOSE_BRACE)) tokens.fail()
    tokens.position++
    this.#closeContainer(frame, isArray)
    return AFTER_VALUE
  }

  #push(head: number, keys: number): void {
    const frame = this.#depth * FRAME_STRIDE
    if (frame === this.#frames.length) {
      if (this.#depth >= MOST_LEVELS) this.#tokens.fail(this.#tokens.position, TOO_DEEP)
      const grown = new Int32Array(frame * 2)
      grown.set(this.#frames)
      this.#frames = grown
    }
    this.#frames[frame] = head
    this.#frames[frame + 1] = 0
    this.#frames[frame + 2] = keys
    this.#depth++
  }

  /** Answers what comes next: an empty array is closed again. */
  #openArray(): number {
    const tokens = this.#tokens
    tokens.position++
    const head = tokens.term.openList()
    if (tokens.next() === X.CLOSE_BRACKET) {
      tokens.position++
      tokens.term.closeList(head, 0)
      return AFTER_VALUE
    }
    this.#push(head, ARRAY)
    return VALUE
  }

  /** Answers what comes next: an empty object is closed again. */
  #openObject(limit: number): number {
    const tokens = this.#tokens
    tokens.position++
    const term = tokens.term
    term.tuple(1)
    const head = term.openList()
    if (tokens.next() === X.CLOSE_BRACE) {
      tokens.position++
      term.closeList(head, 0)
      return AFTER_VALUE
    }
    this.#push(head, this.#keys.size)
    return this.#member(limit)
  }

  #closeContainer(frame: number, isArray: boolean): void {
    this.#depth--
    const head = this.#frames[frame]!
    this.#tokens.term.closeList(head, this.#frames[frame + 1]!)
    if (isArray) return
    const base = this.#frames[frame + 2]!
    this.mostMembers = Math.max(this.mostMembers, this.#keys.size - base)
    this.#keys.close(base)
  }

  /** Scans a member's key and the colon. Answers what comes next. */
  #member(limit: number): number {
    const tokens = this.#tokens
    if (tokens.next() !== X.QUOTE) tokens.fail()
    const term = tokens.term
    this.#memberTermStart = term.length
    this.#memberTextStart = tokens.output.offset(tokens.position)
    term.tuple(2)
    return tokens.string(limit) ? this.#memberKey() : REST_OF_KEY
  }

  /** Goes on behind a member's key. Answers what comes next. */
  #memberKey(): number {
    const tokens = this.#tokens
    const termStart = this.#memberTermStart
    const textStart = this.#memberTextStart
    if (tokens.next() !== X.COLON) tokens.fail()
    tokens.position++
    if (this.#isDocument && this.#depth === 1 && this.#isSpecial(termStart, textStart)) return VALUE
    if (this.#keys.size >= MOST_MEMBERS) tokens.fail(tokens.position, TOO_MANY_MEMBERS)
    const frame = (this.#depth - 1) * FRAME_STRIDE
    const twin = this.#keys.add(tokens.term, this.#frames[frame + 2]!, termStart, textStart)
    if (twin >= 0) this.#bury(frame, twin)
    return VALUE
  }

  /** Whether the member just begun is a special one; if so its value will be taken out. */
  #isSpecial(termStart: number, textStart: number): boolean {
    const tokens = this.#tokens
    const keyStart = termStart + PAIR_HEAD_SIZE + BINARY_HEAD_SIZE
    const term = tokens.term
    if (term.length === keyStart || term.bytes[keyStart] !== X.UNDERSCORE) return false
    const place =
      this.places === undefined ? NO_PLACE : this.places.placeOf(term.bytes, keyStart, term.length)
    const name = place === NO_PLACE ? term.bytes.toString('utf8', keyStart, term.length) : ''
    if (place === NO_PLACE && BODY_MEMBERS.has(name)) return false
    tokens.next()
    const valueStart = tokens.output.offset(tokens.position)
    const deadText = this.#deadText.length
    const deadTerm = this.#deadTerm.length
    this.#openSpecial = { name, place, termStart, textStart, valueStart, deadText, deadTerm }
    return true
  }

  /** Keeps the special member's value, and undoes what it added to the body. */
  #closeSpecial(open: OpenSpecial, frame: number): void {
    const tokens = this.#tokens
    if (open.place !== NO_PLACE) this.#notePlace(open)
    else {
      if (this.#special === NO_MEMBERS) this.#special = new Map()
      this.#special.delete(open.name)
      this.#special.set(open.name, this.#textFrom(open.valueStart, open.deadText))
    }
    if (this.#deadText.length > open.deadText) this.#deadText.length = open.deadText
    if (this.#deadTerm.length > open.deadTerm) this.#deadTerm.length = open.deadTerm
    tokens.term.length = open.termStart
    this.#openSpecial = null
    if (tokens.next() === X.COMMA) {
      tokens.output.cut(open.textStart, tokens.position + 1)
    } else {
      const danglingComma = this.#frames[frame + 1]! > 0 ? 1 : 0
      tokens.output.cut(open.textStart - danglingComma, tokens.position)
    }
  }

  #notePlace({ place, valueStart }: OpenSpecial): void {
    const { output, position } = this.#tokens
    // A value that had to be copied is not canonical as it stands in the text.
    const start = valueStart < output.length ? NO_PLACE : output.rangeStart + valueStart - output.length
    this.places!.note(place, start, position)
  }

  /** The earlier one of two members with one key goes: a member ends where the next one begins. */
  #bury(frame: number, twin: number): void {
    const keys = this.#keys
    if (this.#deadTerm.length >= MOST_REPEATED) this.#tokens.fail(this.#tokens.position, TOO_MANY_REPEATED)
    bury(this.#deadTerm, keys.termStart(twin), keys.termStart(twin + 1))
    bury(this.#deadText, keys.textStart(twin), keys.textStart(twin + 1))
    this.#frames[frame + 1]!--
  }
}
