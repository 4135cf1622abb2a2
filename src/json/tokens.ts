import { isUtf8 } from 'node:buffer'
import { CanonicalOutput } from './canonical-output.ts'
import * as X from './characters.ts'
import { JsonSyntaxError } from './errors.ts'
import { floatText } from './float-text.ts'
import { TermWriter } from './term-writer.ts'

/** Offsets are kept in 32 bits, and a term is at most about three times its text. */
const MAX_TEXT_BYTES = 512 * 1024 * 1024
/** CouchDB fails on longer integers. */
const MAX_INTEGER_DIGITS = 308
const INTEGER_TOO_LONG = `integers of more than ${MAX_INTEGER_DIGITS} digits are not supported`
const TEXT_TOO_LONG = `JSON of more than ${MAX_TEXT_BYTES} bytes is not supported`
/** Integers of so many digits are exact as doubles. */
const EXACT_DIGITS = 15
/** The first of them, which are exact too. */
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => Number(`1e${power}`))

/** Control characters that have an escape of two characters. */
const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  8: '\\b',
  9: '\\t',
  10: '\\n',
  12: '\\f',
  13: '\\r',
}

/** What is read of a string at once. */
const WORD_BYTES = 4

const NOTHING = Buffer.alloc(0)
const NO_VIEW: DataView = new DataView(NOTHING.buffer)
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

/** Of a text that is no longer, a look at each byte costs less than a call of the engine. */
const SHORT_TEXT_BYTES = 192

function isShortAscii(text: Uint8Array): boolean {
  if (text.length > SHORT_TEXT_BYTES) return false
  for (let i = 0; i < text.length; i++) if (text[i]! >= 0x80) return false
  return true
}

/**
 * The tokens of one text: each is checked, written to `term`, and left or made canonical in `output`. The
 * text is known to be UTF-8 before it is scanned, so bytes from 80 on need no look.
 */
export class JsonTokens {
  #text: Buffer = NOTHING
  #view = NO_VIEW
  #end = 0
  position = 0
  /** Where the string that is being scanned begins in the term. */
  #stringHead = 0
  readonly term = new TermWriter()
  /** Where each term begins: room is left in front of it. */
  termStart = 0
  readonly output = new CanonicalOutput()

  /** Starts on `text`. Throws JsonSyntaxError where that is not UTF-8. */
  open(text: Uint8Array): void {
    if (text.length > MAX_TEXT_BYTES) throw new JsonSyntaxError(MAX_TEXT_BYTES, TEXT_TOO_LONG)
    if (!isShortAscii(text) && !isUtf8(text)) throw new JsonSyntaxError(-1)
    this.#text = Buffer.isBuffer(text) ? text : Buffer.from(text.buffer, text.byteOffset, text.length)
    this.#view = new DataView(text.buffer, text.byteOffset, text.length)
    this.#end = text.length
    this.position = 0
  }

  /** Forgets the text, also after an error. */
  close(): void {
    this.#text = NOTHING
    this.#view = NO_VIEW
    this.term.release()
    this.output.release()
  }

  /** Starts a new term and a new output where the next value begins. */
  start(): void {
    this.peek()
    this.term.reserve(this.termStart - this.term.length)
    this.term.length = this.termStart
    this.output.start(this.#text, this.position)
  }

  /** Skips white space and answers the byte that follows it, or -1 at the end. */
  peek(): number {
    let position = this.position
    while (position < this.#end && isSpace(this.#text[position]!)) position++
    this.position = position
    return position < this.#end ? this.#text[position]! : -1
  }

  /** Steps over `byte` if it comes next, but for white space. */
  accept(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.position++
    return true
  }

  /** Throws JsonSyntaxError at the present place. */
  fail(position: number = this.position, reason?: string): never {
    throw new JsonSyntaxError(position, reason)
  }

  /** Throws unless nothing but white space is left. */
  finish(): void {
    if (this.peek() !== -1) this.fail()
  }

  /** The next byte that is not white space; what is skipped leaves the output. -1 at the end. */
  next(): number {
    const position = this.position
    if (position >= this.#end) return -1
    const byte = this.#text[position]!
    if (byte > X.SPACE) return byte
    const following = this.peek()
    if (this.position > position) this.output.skip(position, this.position)
    return following
  }

  literal(byte: number): void {
    const word =
      byte === X.LOWER_T ? TRUE : byte === X.LOWER_F ? FALSE : byte === X.LOWER_N ? NULL : this.fail()
    for (let i = 1; i < word.length; i++) {
      const at = this.position + i
      if (at >= this.#end || this.#text[at] !== word[i]) this.fail(at)
    }
    this.position += word.length
    if (word === TRUE) this.term.true()
    else if (word === FALSE) this.term.false()
    else this.term.null()
  }

  /**
   * Scans the string at `position`, up to about `limit`. Answers whether it is complete: if not, `restOfString` goes
   * on with it.
   */
  string(limit: number): boolean {
    this.#stringHead = this.term.openBinary()
    this.position++
    return this.restOfString(limit)
  }

  restOfString(limit: number): boolean {
    const text = this.#text
    const source = this.#view
    const end = this.#end
    const term = this.term
    const stop = Math.min(end, limit)
    let at = this.position
    for (;;) {
      if (at >= stop && stop < end) {
        this.position = at
        return false
      }
      term.reserve(stop - at + WORD_BYTES)
      const bytes = term.bytes
      const target = term.view
      let length = term.length
      let special = 0
      for (
        const last = Math.min(end - WORD_BYTES, stop);
        at <= last;
        at += WORD_BYTES, length += WORD_BYTES
      ) {
        const four = source.getInt32(at, true)
        target.setInt32(length, four, true)
        special = specialBytes(four)
        if (special !== 0) break
      }
      if (special !== 0) {
        // The bytes written from here on are not counted, and will be overwritten.
        const plain = (31 - Math.clz32(special & -special)) >> 3
        at += plain
        length += plain
      } else {
        while (at < stop && isPlain(text[at]!)) bytes[length++] = text[at++]!
      }
      term.length = length
      if (at >= end) this.fail(at)
      if (at >= stop) continue
      const byte = text[at]!
      if (byte === X.QUOTE) break
      if (byte !== X.BACKSLASH) this.fail(at)
      at = this.#escape(at)
    }
    this.position = at + 1
    term.closeBinary(this.#stringHead)
    return true
  }

  /** Takes the escape at `at` into the term, and into the output in its canonical form; answers its end. */
  #escape(at: number): number {
    const byte = at + 1 < this.#end ? this.#text[at + 1]! : -1
    switch (byte) {
      case X.QUOTE:
      case X.BACKSLASH:
        this.term.byte(byte)
        break
      case X.SLASH:
        this.term.byte(X.SLASH)
        this.output.skip(at, at + 1)
        break
      case X.LOWER_B:
        this.term.byte(8)
        break
      case X.LOWER_F:
        this.term.byte(12)
        break
      case X.LOWER_N:
        this.term.byte(X.NEWLINE)
        break
      case X.LOWER_R:
        this.term.byte(X.RETURN)
        break
      case X.LOWER_T:
        this.term.byte(X.TAB)
        break
      case X.LOWER_U:
        return this.#unicodeEscape(at)
      default:
        this.fail(at)
    }
    return at + 2
  }

  #unicodeEscape(at: number): number {
    let code = this.#hex(at + 2)
    let end = at + 6
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && this.#isUnicodeEscape(end) ? this.#hex(end + 2) : 0
      if (low < 0xdc00 || low > 0xdfff) this.fail(at)
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
      end += 6
    }
    this.term.codePoint(code)
    if (code === X.QUOTE || code === X.BACKSLASH) {
      this.output.replace(at, end, `\\${String.fromCharCode(code)}`)
    } else if (code >= X.SPACE) {
      this.output.replaceCodePoint(at, end, code)
    } else {
      const canonical = SHORT_ESCAPES[code] ?? longEscape(code)
      if (this.#text.toString('latin1', at, end) !== canonical) this.output.replace(at, end, canonical)
    }
    return end
  }

  #isUnicodeEscape(at: number): boolean {
    return at + 1 < this.#end && this.#text[at] === X.BACKSLASH && this.#text[at + 1] === X.LOWER_U
  }

  /** The value of four hexadecimal digits. */
  #hex(at: number): number {
    if (at + 4 > this.#end) this.fail(at)
    let value = 0
    for (let i = at; i < at + 4; i++) {
      const digit = hexDigit(this.#text[i]!)
      if (digit < 0) this.fail(i)
      value = value * 16 + digit
    }
    return value
  }

  number(): void {
    const text = this.#text
    const end = this.#end
    const start = this.position
    const negative = text[start] === X.MINUS
    const first = negative ? start + 1 : start
    let at = first
    let value = 0
    while (at < end) {
      const digit = text[at]! - X.ZERO
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at++
    }
    const digits = at - first
    if (digits === 0 || (digits > 1 && text[first] === X.ZERO)) this.fail(first)
    const byte = at < end ? text[at]! : 0
    if (byte === X.POINT || byte === X.LOWER_E || byte === X.UPPER_E) {
      this.#float(start, at, negative, value)
      return
    }
    this.position = at
    if (value === 0) {
      if (negative) this.output.skip(start, first)
      this.term.integer(0)
    } else if (digits <= EXACT_DIGITS) {
      this.term.integer(negative ? -value : value)
    } else {
      if (digits > MAX_INTEGER_DIGITS) this.fail(start, INTEGER_TOO_LONG)
      this.term.bigInteger(BigInt(text.toString('latin1', start, at)))
    }
  }

  /** `at` is where the whole digits end, of which the number is `whole`. */
  #float(start: number, at: number, negative: boolean, whole: number): void {
    const text = this.#text
    let end = at
    if (text[end] === X.POINT) end = this.#digits(end + 1)
    const byte = end < this.#end ? text[end] : 0
    if (byte !== X.LOWER_E && byte !== X.UPPER_E && this.#isShortest(start, at, end, whole)) {
      let digits = whole
      for (let i = at + 1; i < end; i++) digits = digits * 10 + text[i]! - X.ZERO
      // Both are exact, so their quotient is the double that is nearest to the number.
      const magnitude = digits / POWERS_OF_TEN[end - at - 1]!
      this.position = end
      this.term.float(negative ? -magnitude : magnitude)
      return
    }
    if (byte === X.LOWER_E || byte === X.UPPER_E) {
      const sign = end + 1 < this.#end ? text[end + 1] : 0
      end = this.#digits(sign === X.PLUS || sign === X.MINUS ? end + 2 : end + 1)
    }
    const source = text.toString('latin1', start, end)
    const value = Number(source)
    if (!Number.isFinite(value)) this.fail(start)
    this.position = end
    this.term.float(value)
    const canonical = floatText(value)
    if (canonical !== source) this.output.replace(start, end, canonical)
  }

  /**
   * Whether the decimal in [start, end), whose point is at `point`, is what `floatText` gives: it is no less than a tenth, no shorter one is
   * the same number, and with so few digits no other is the same double.
   */
  #isShortest(start: number, point: number, end: number, whole: number): boolean {
    const text = this.#text
    if (end - start - 1 > EXACT_DIGITS || text[end - 1] === X.ZERO) return false
    return whole > 0 || text[point + 1] !== X.ZERO
  }

  /** The end of the digits at `at`, of which there must be one. */
  #digits(at: number): number {
    let end = at
    while (end < this.#end && this.#text[end]! >= X.ZERO && this.#text[end]! <= X.NINE) end++
    if (end === at) this.fail(at)
    return end
  }
}

/**
 * A mask of which the lowest bit is the high bit of the first of four bytes, lowest first, that is a quote,
 * a backslash or a control character; 0 if there is none. Subtracting from all four at once sets the high
 * bit of each byte that was below what was subtracted, itself having none; a borrow spoils only bytes
 * behind one that was found.
 */
function specialBytes(four: number): number {
  const quote = four ^ 0x22222222
  const backslash = four ^ 0x5c5c5c5c
  const found =
    ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((four - 0x20202020) & ~four)
  return found & 0x80808080
}

function isPlain(byte: number): boolean {
  return byte !== X.QUOTE && byte !== X.BACKSLASH && byte >= X.SPACE
}

function isSpace(byte: number): boolean {
  return byte === X.SPACE || byte === X.NEWLINE || byte === X.RETURN || byte === X.TAB
}

function hexDigit(byte: number): number {
  if (byte >= X.ZERO && byte <= X.NINE) return byte - X.ZERO
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function longEscape(code: number): string {
  return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
}
