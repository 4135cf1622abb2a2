import { runAtOnce, type Steps } from '../time-slice.ts'
import * as X from './characters.ts'
import { type DeadRange, withoutRanges } from './dead-ranges.ts'
import { KeyTable } from './key-table.ts'
import { BINARY_HEAD_SIZE, PAIR_HEAD_SIZE } from './term-writer.ts'
import { JsonTokens } from './tokens.ts'

// One pass over the bytes of a JSON text checks it, makes its canonical text, and writes its external term. It may be
// interrupted between any two values.
// - Nesting lives in an integer array, never on the call stack.
// - Every step is linear: what repeated keys take out is noted and removed once, at the end.
// The canonical text: no white space; strings unescaped but for `\" \\ \b \t \n \f \r` and `\u000B`-style
// upper-case hex for the other controls; the last of repeated keys in the last place; integers verbatim
// but `-0` as `0`; floats as `floatText` writes them.

// A frame is [where the container's list head is in the term, members so far, where its keys begin in the
// key table or ARRAY].
const FRAME_STRIDE = 3
const ARRAY = -1

/** Values between two interruptions. */
const STEP_VALUES = 1024
/** Containers that are opened or closed without a value between them count as one step up to here. */
const MOST_RUN = 1024

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
  /** The last value is complete, and what stands behind it is still to be read. */
  #isBehindValue = false
  /** The special members of the document being scanned; NO_MEMBERS until there is one. */
  #special: Map<string, Buffer> = NO_MEMBERS
  #openSpecial: OpenSpecial | null = null

  /** Starts on `text`. Throws JsonSyntaxError where that is not UTF-8. */
  open(text: Uint8Array): void {
    this.#tokens.open(text)
  }

  /** Forgets the text, also after an error. */
  close(): void {
    this.#tokens.close()
    this.#depth = 0
    this.#isDocument = false
    this.#isBehindValue = false
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

  /** Scans a string and the colon behind it, and answers the string. */
  key(): string {
    const tokens = this.#tokens
    if (this.peek() !== X.QUOTE) tokens.fail()
    this.#start()
    tokens.string()
    const name = tokens.term.bytes.toString('utf8', BINARY_HEAD_SIZE, tokens.term.length)
    if (!this.accept(X.COLON)) tokens.fail()
    return name
  }

  /** Scans any value and answers its canonical text, which may be a view of the scanned bytes. */
  canonical(): Buffer {
    this.#start()
    while (this.#advance());
    return this.#textFrom(0, 0)
  }

  /** The same in steps. */
  *canonicalSteps(): Steps<Buffer> {
    this.#start()
    while (this.#advance()) yield
    return yield* this.#textSteps(0, 0)
  }

  /** Scans a value as a document; null where it is not an object. */
  document(): ScannedDocument | null {
    if (!this.#startDocument()) {
      this.canonical()
      return null
    }
    while (this.#advance());
    this.#isDocument = false
    return { body: this.#textFrom(0, 0), term: this.#wholeTerm(), special: this.#special }
  }

  /** The same in steps. */
  *documentSteps(): Steps<ScannedDocument | null> {
    if (!this.#startDocument()) {
      yield* this.canonicalSteps()
      return null
    }
    while (this.#advance()) yield
    this.#isDocument = false
    const body = yield* this.#textSteps(0, 0)
    return { body, term: yield* this.#termSteps(), special: this.#special }
  }

  /** False for what is no document. */
  #startDocument(): boolean {
    if (this.peek() !== X.OPEN_BRACE) return false
    this.#start()
    this.#isDocument = true
    this.#special = NO_MEMBERS
    return true
  }

  #start(): void {
    this.#tokens.start()
    this.#keys.size = 0
    this.#depth = 0
    if (this.#deadText.length > 0) this.#deadText = []
    if (this.#deadTerm.length > 0) this.#deadTerm = []
  }

  #wholeTerm(): Buffer {
    if (this.#deadTerm.length > 0) return runAtOnce(this.#termSteps())
    const bytes = this.#tokens.term.bytes.subarray(0, this.#tokens.term.length)
    const term = Buffer.allocUnsafe(bytes.length)
    term.set(bytes)
    return term
  }

  *#termSteps(): Steps<Buffer> {
    if (this.#deadTerm.length === 0) return this.#wholeTerm()
    const bytes = this.#tokens.term.bytes.subarray(0, this.#tokens.term.length)
    return yield* withoutRanges(bytes, 0, this.#deadTerm)
  }

  /** The output from `offset` on, without what was noted as dead since there were `dead` such notes. */
  #textFrom(offset: number, dead: number): Buffer {
    if (this.#deadText.length > dead) return runAtOnce(this.#textSteps(offset, dead))
    return this.#tokens.output.take(offset, this.#tokens.position)
  }

  *#textSteps(offset: number, dead: number): Steps<Buffer> {
    const text = this.#tokens.output.take(offset, this.#tokens.position)
    if (this.#deadText.length === dead) return text
    return yield* withoutRanges(text, offset, this.#deadText.slice(dead))
  }

  /** Goes some steps on with the value. Answers whether it is still not complete. */
  #advance(): boolean {
    for (let left = STEP_VALUES; left > 0; left--) {
      if (!this.#isBehindValue && !this.#scalarOrOpen()) continue
      this.#isBehindValue = !this.#afterValue()
      if (this.#isBehindValue && this.#depth === 0) {
        this.#isBehindValue = false
        return false
      }
    }
    return true
  }

  /**
   * Scans a scalar or an empty container, or opens containers down to the first scalar. False: the value is not
   * reached yet.
   */
  #scalarOrOpen(): boolean {
    const tokens = this.#tokens
    for (let opened = 0; opened < MOST_RUN; opened++) {
      const byte = tokens.next()
      if (byte === X.QUOTE) {
        tokens.string()
        return true
      }
      if (byte === X.OPEN_BRACE) {
        if (this.#openObject()) return true
      } else if (byte === X.OPEN_BRACKET) {
        if (this.#openArray()) return true
      } else if (byte === X.MINUS || (byte >= X.ZERO && byte <= X.NINE)) {
        tokens.number()
        return true
      } else {
        tokens.literal(byte)
        return true
      }
    }
    return false
  }

  /**
   * Goes on after a value: closes what closes there. Answers whether another value must follow; if not, all is closed
   * or more is to be closed.
   */
  #afterValue(): boolean {
    const tokens = this.#tokens
    for (let closed = 0; this.#depth > 0 && closed < MOST_RUN; closed++) {
      const frame = (this.#depth - 1) * FRAME_STRIDE
      const frames = this.#frames
      if (this.#depth === 1 && this.#openSpecial !== null) this.#closeSpecial(this.#openSpecial, frame)
      else frames[frame + 1]!++
      const isArray = frames[frame + 2] === ARRAY
      const byte = tokens.next()
      if (byte === X.COMMA) {
        tokens.position++
        if (!isArray) this.#member(frame)
        return true
      }
      if (byte !== (isArray ? X.CLOSE_BRACKET : X.CLOSE_BRACE)) tokens.fail()
      tokens.position++
      this.#closeContainer(frame, isArray)
    }
    return false
  }

  #push(head: number, keys: number): void {
    const frame = this.#depth * FRAME_STRIDE
    if (frame === this.#frames.length) {
      const grown = new Int32Array(frame * 2)
      grown.set(this.#frames)
      this.#frames = grown
    }
    this.#frames[frame] = head
    this.#frames[frame + 1] = 0
    this.#frames[frame + 2] = keys
    this.#depth++
  }

  /** Answers whether the array was empty, and so is closed again. */
  #openArray(): boolean {
    const tokens = this.#tokens
    tokens.position++
    const head = tokens.term.openList()
    if (tokens.next() === X.CLOSE_BRACKET) {
      tokens.position++
      tokens.term.closeList(head, 0)
      return true
    }
    this.#push(head, ARRAY)
    return false
  }

  /** Answers whether the object was closed again because no value follows: it was empty. */
  #openObject(): boolean {
    const tokens = this.#tokens
    tokens.position++
    const term = tokens.term
    term.tuple(1)
    const head = term.openList()
    if (tokens.next() === X.CLOSE_BRACE) {
      tokens.position++
      term.closeList(head, 0)
      return true
    }
    this.#push(head, this.#keys.size)
    this.#member((this.#depth - 1) * FRAME_STRIDE)
    return false
  }

  #closeContainer(frame: number, isArray: boolean): void {
    this.#depth--
    const head = this.#frames[frame]!
    this.#tokens.term.closeList(head, this.#frames[frame + 1]!)
    if (!isArray) this.#keys.close(this.#frames[frame + 2]!)
  }

  /** Scans a member's key and the colon. */
  #member(frame: number): void {
    const tokens = this.#tokens
    if (tokens.next() !== X.QUOTE) tokens.fail()
    const start = tokens.position
    const term = tokens.term
    const termStart = term.length
    const textStart = tokens.output.offset(start)
    term.tuple(2)
    tokens.string()
    if (tokens.next() !== X.COLON) tokens.fail()
    tokens.position++
    if (this.#isDocument && this.#depth === 1 && this.#isSpecial(termStart, textStart)) return
    const twin = this.#keys.add(term, this.#frames[frame + 2]!, termStart, textStart)
    if (twin >= 0) this.#bury(frame, twin)
  }

  /** Whether the member just begun is a special one; if so its value will be taken out. */
  #isSpecial(termStart: number, textStart: number): boolean {
    const tokens = this.#tokens
    const keyStart = termStart + PAIR_HEAD_SIZE + BINARY_HEAD_SIZE
    const term = tokens.term
    if (term.length === keyStart || term.bytes[keyStart] !== X.UNDERSCORE) return false
    const name = term.bytes.toString('utf8', keyStart, term.length)
    if (BODY_MEMBERS.has(name)) return false
    tokens.next()
    const valueStart = tokens.output.offset(tokens.position)
    const deadText = this.#deadText.length
    const deadTerm = this.#deadTerm.length
    this.#openSpecial = { name, termStart, textStart, valueStart, deadText, deadTerm }
    return true
  }

  /** Keeps the special member's value, and undoes what it added to the body. */
  #closeSpecial(open: OpenSpecial, frame: number): void {
    const tokens = this.#tokens
    if (this.#special === NO_MEMBERS) this.#special = new Map()
    this.#special.delete(open.name)
    this.#special.set(open.name, this.#textFrom(open.valueStart, open.deadText))
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

  /** The earlier one of two members with one key goes: a member ends where the next one begins. */
  #bury(frame: number, twin: number): void {
    const keys = this.#keys
    this.#deadTerm.push({ start: keys.termStart(twin), end: keys.termStart(twin + 1) })
    this.#deadText.push({ start: keys.textStart(twin), end: keys.textStart(twin + 1) })
    this.#frames[frame + 1]!--
  }
}
