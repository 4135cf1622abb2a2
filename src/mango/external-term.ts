/**
 * The part of Erlang's external term format that bookmarks and names of indexes are made of: see json/term-writer.ts for the
 * bytes. What is read may come from anybody: its length and depth are bounded.
 */
import { termOf } from '../json/documents.ts'
import { floatText } from '../json/float-text.ts'
import { stringText } from '../json/writer.ts'

export const VERSION = 0x83

const SMALL_INTEGER = 0x61
const INTEGER = 0x62
const FLOAT = 0x46
const ATOM = 0x64
const SMALL_ATOM = 0x77
const SMALL_TUPLE = 0x68
const EMPTY_LIST = 0x6a
const BYTE_LIST = 0x6b
const LIST = 0x6c
const BINARY = 0x6d
const SMALL_BIG = 0x6e

const STRING_HEAD_BYTES = 5
const MOST_LEVELS = 500

export function atom(name: string): Buffer {
  return Buffer.concat([Buffer.from([ATOM, 0, name.length]), Buffer.from(name)])
}

export function tuple(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([SMALL_TUPLE, parts.length]), ...parts])
}

export function list(parts: readonly Uint8Array[]): Buffer {
  if (parts.length === 0) return Buffer.from([EMPTY_LIST])
  const head = Buffer.alloc(5)
  head[0] = LIST
  head.writeUInt32BE(parts.length, 1)
  return Buffer.concat([head, ...parts, Buffer.from([EMPTY_LIST])])
}

export function stringTerm(value: string): Buffer {
  const bytes = Buffer.byteLength(value)
  const term = Buffer.allocUnsafe(STRING_HEAD_BYTES + bytes)
  term[0] = BINARY
  term.writeUInt32BE(bytes, 1)
  term.write(value, STRING_HEAD_BYTES)
  return term
}

/** `text` is canonical JSON. */
export function jsonTerm(text: string | Buffer): Buffer {
  return termOf(typeof text === 'string' ? Buffer.from(text) : text)
}

/** A term: `'name` for an atom, JSON text for what JSON has, and lists of pairs of an atom and a value. */
export class TermReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Pairs in a list, by their atoms, as JSON texts. Throws RangeError for anything else. */
  pairs(): Map<string, string> {
    const pairs = new Map<string, string>()
    this.#expect(LIST)
    const count = this.#uint(4)
    if (count > 100) throw new RangeError('a list is too long')
    for (let i = 0; i < count; i++) {
      this.#expect(SMALL_TUPLE)
      if (this.#uint(1) !== 2) throw new RangeError('no pair')
      pairs.set(this.#atom(this.#uint(1)), this.#json(0))
    }
    this.#expect(EMPTY_LIST)
    if (this.#at !== this.#bytes.length) throw new RangeError('something follows the term')
    return pairs
  }

  #expect(tag: number): void {
    if (this.#uint(1) !== tag) throw new RangeError('another term was expected')
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('the term is cut off')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #uint(length: number): number {
    return this.#take(length).readUIntBE(0, length)
  }

  #atom(tag: number): string {
    if (tag !== ATOM && tag !== SMALL_ATOM) throw new RangeError('no atom')
    return this.#take(this.#uint(tag === ATOM ? 2 : 1)).toString('latin1')
  }

  #json(level: number): string {
    if (level > MOST_LEVELS) throw new RangeError('the term is nested too deeply')
    const tag = this.#uint(1)
    switch (tag) {
      case SMALL_INTEGER:
        return String(this.#uint(1))
      case INTEGER:
        return String(this.#take(4).readInt32BE())
      case SMALL_BIG:
        return this.#bigInteger()
      case FLOAT:
        return this.#float()
      case BINARY:
        return stringText(this.#take(this.#uint(4)).toString())
      case BYTE_LIST:
        return `[${[...this.#take(this.#uint(2))].join(',')}]`
      case EMPTY_LIST:
        return '[]'
      case LIST:
        return `[${this.#elements(() => this.#json(level + 1)).join(',')}]`
      case SMALL_TUPLE:
        return this.#object(level)
    }
    const name = this.#atom(tag)
    if (name !== 'true' && name !== 'false' && name !== 'null') throw new RangeError('an unknown atom')
    return name
  }

  #elements(read: () => string): string[] {
    const count = this.#uint(4)
    if (count > this.#bytes.length) throw new RangeError('the term is cut off')
    const elements: string[] = []
    for (let i = 0; i < count; i++) elements.push(read())
    this.#expect(EMPTY_LIST)
    return elements
  }

  #object(level: number): string {
    if (this.#uint(1) !== 1) throw new RangeError('no object')
    const tag = this.#uint(1)
    if (tag === EMPTY_LIST) return '{}'
    if (tag !== LIST) throw new RangeError('no object')
    const members = this.#elements(() => {
      this.#expect(SMALL_TUPLE)
      if (this.#uint(1) !== 2) throw new RangeError('no member')
      this.#expect(BINARY)
      const name = stringText(this.#take(this.#uint(4)).toString())
      return `${name}:${this.#json(level + 1)}`
    })
    return `{${members.join(',')}}`
  }

  #bigInteger(): string {
    const length = this.#uint(1)
    const sign = this.#uint(1)
    const hex = Buffer.from(this.#take(length)).reverse().toString('hex')
    return `${sign === 1 ? '-' : ''}${BigInt(`0x0${hex}`)}`
  }

  #float(): string {
    const value = this.#take(8).readDoubleBE()
    if (!Number.isFinite(value)) throw new RangeError('no number')
    return floatText(value)
  }
}
