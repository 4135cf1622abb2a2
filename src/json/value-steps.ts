/**
 * Canonical texts to values and back in small steps, for texts that are too long for one turn of the event loop, and of
 * any depth: `JSON.parse` and `JSON.stringify` hold the loop to their end.
 */
import { runAtOnce, type Steps } from '../base/time-slice.ts'

/** The built-in functions take no more than some milliseconds for a text of this length, whatever is in it. */
export const SHORT_TEXT = 64 * 1024
const STEP_TOKENS = 512
/** A piece of a printed text is at least so long, but for the last. */
const PIECE_LENGTH = 8 * 1024

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const CLOSE_BRACE = 0x7d
const OPEN_BRACE = 0x7b

/** What texts of scalars and names become. */
export interface ValueForm {
  string(token: string): string
  number(token: string): string | number
}

const PLAIN: ValueForm = {
  string: (token) => (token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)),
  number: Number,
}

/** Bytes that are decoded at once: of characters beyond ASCII that takes some milliseconds. */
const DECODED_BYTES = 1024 * 1024
/** What begins a byte within a character of UTF-8. */
const WITHIN_MASK = 0xc0
const WITHIN = 0x80

/** The text that bytes of UTF-8 are. */
export function* decodeSteps(bytes: Buffer): Steps<string> {
  if (bytes.length <= DECODED_BYTES) return bytes.toString('utf8')
  const parts: string[] = []
  for (let start = 0; start < bytes.length; ) {
    let end = Math.min(bytes.length, start + DECODED_BYTES)
    while (end < bytes.length && (bytes[end]! & WITHIN_MASK) === WITHIN) end -= 1
    parts.push(bytes.toString('utf8', start, end))
    start = end
    yield
  }
  return parts.join('')
}

/** The value of a canonical text, as `JSON.parse` has it. */
export function* parseSteps(text: string): Steps<unknown> {
  if (text.length <= SHORT_TEXT) return JSON.parse(text)
  return yield* buildSteps(text, PLAIN)
}

/** The same at once, of what is flat where it is what it should be. Throws RangeError for a long text of more levels. */
export function parseFlat(text: string, mostLevels: number): unknown {
  return text.length <= SHORT_TEXT ? JSON.parse(text) : runAtOnce(buildSteps(text, PLAIN, mostLevels))
}

type Container = unknown[] | Record<string, unknown>

/**
 * The value of a canonical text, scalars and names in a form of their own. Throws RangeError beyond `mostLevels`; what
 * begins below `keptLevels` is empty.
 */
export function* buildSteps(
  text: string,
  form: ValueForm,
  mostLevels = Number.POSITIVE_INFINITY,
): Steps<unknown> {
  const outer: Container[] = []
  let inner: Container | undefined
  let name = ''
  let root: unknown
  /** The next value is the first of `inner`. */
  let isFirst = false
  let at = 0
  const takeName = (): void => {
    const end = endOfString(text, at)
    name = form.string(text.slice(at, end))
    at = end + 1
  }
  for (let tokens = 1; ; tokens++) {
    if (tokens % STEP_TOKENS === 0) yield
    const code = text.charCodeAt(at)
    const isArray = code === OPEN_BRACKET
    let value: unknown
    /** A container that is not empty. */
    let opened: Container | undefined
    if (isArray || code === OPEN_BRACE) {
      if (text.charCodeAt(at + 1) === (isArray ? CLOSE_BRACKET : CLOSE_BRACE)) {
        value = isArray ? [] : {}
        at += 2
      } else {
        at += 1
        // An array that begins empty gets room for many elements with its first one, which most have no use for.
        opened = isArray ? new Array<unknown>(1) : {}
        value = opened
      }
    } else if (code === QUOTE) {
      const end = endOfString(text, at)
      value = form.string(text.slice(at, end))
      at = end
    } else {
      const end = endOfScalar(text, at)
      value = scalar(text.slice(at, end), form)
      at = end
    }
    if (inner === undefined) root = value
    else if (!Array.isArray(inner)) define(inner, name, value)
    else if (isFirst) inner[0] = value
    else inner.push(value)
    isFirst = opened !== undefined
    if (opened !== undefined) {
      if (inner !== undefined) outer.push(inner)
      if (outer.length >= mostLevels) throw new RangeError('nested too deeply')
      inner = opened
      if (!isArray) takeName()
      continue
    }
    while (inner !== undefined && text.charCodeAt(at) !== COMMA) {
      inner = outer.pop()
      at += 1
    }
    if (inner === undefined) return root
    at += 1
    if (!Array.isArray(inner)) takeName()
  }
}

/** A plain assignment would take `__proto__` for something else. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') target[name] = value
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

function scalar(token: string, form: ValueForm): unknown {
  if (token === 'true') return true
  if (token === 'false') return false
  return token === 'null' ? null : form.number(token)
}

function endOfScalar(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE) break
    at += 1
  }
  return at
}

/** Position behind the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = start; ; ) {
    quote = text.indexOf('"', quote + 1)
    let slashes = 0
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
  }
}

/** An array or object on its way out. */
interface Frame {
  /** Undefined for an array. */
  names: string[] | undefined
  container: Container
  next: number
}

type PrintScalar = (value: unknown) => string

function frameOf(container: Container): Frame {
  return { names: Array.isArray(container) ? undefined : Object.keys(container), container, next: 0 }
}

/** The text of a value of JSON in pieces, as `JSON.stringify` has it, of any depth. */
export function* printPieces(value: unknown, print: PrintScalar = JSON.stringify): Generator<string, void> {
  let text = ''
  const frames: Frame[] = []
  const open = (each: unknown): void => {
    if (typeof each !== 'object' || each === null) {
      text += print(each)
      return
    }
    const frame = frameOf(each as Container)
    text += frame.names === undefined ? '[' : '{'
    frames.push(frame)
  }
  open(value)
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const { names, container } = frame
    const size = names === undefined ? (container as unknown[]).length : names.length
    if (frame.next === size) {
      text += names === undefined ? ']' : '}'
      frames.pop()
    } else {
      const at = frame.next
      frame.next += 1
      if (at > 0) text += ','
      if (names === undefined) open((container as unknown[])[at])
      else {
        const name = names[at]!
        text += `${print(name)}:`
        open((container as Record<string, unknown>)[name])
      }
    }
    if (text.length >= PIECE_LENGTH) {
      yield text
      text = ''
    }
  }
  yield text
}

/** The pieces together. */
export function* joinSteps(pieces: Iterable<string>): Steps<string> {
  const parts: string[] = []
  for (const piece of pieces) {
    parts.push(piece)
    yield
  }
  return parts.join('')
}

/** The text of a value of JSON of any depth, at once. */
export function printDeep(value: unknown): string {
  return runAtOnce(joinSteps(printPieces(value)))
}
