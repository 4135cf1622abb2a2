/**
 * A streaming reader of multipart bodies (RFC 2046), strict where a guess could store wrong bytes. The body
 * is read as it comes; of a part no more is held than one chunk and a delimiter's length. A delimiter is a
 * line break, `--`, the boundary, spaces, a line break (or `--` for the last); anything else with the boundary
 * in it is content. What stands before the first delimiter and behind the last is skipped. A body that ends
 * before the last delimiter is an error, never a wait.
 */
import { DatabaseError } from '../base/errors.ts'
import type { MemoryHold } from './intake.ts'

const MAX_HEAD_BYTES = 16 * 1024
const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const DASH = 0x2d
const HEAD_END = Buffer.from('\r\n\r\n')

export interface ReceivedPart {
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>
  /** What is not read of it is skipped when the next part is asked for. */
  body: AsyncGenerator<Buffer, void, void>
}

/** The `boundary` of a multipart content type. Throws badRequest where there is none. */
export function boundaryOf(contentType: string): string {
  const found = /;\s*boundary=(?:"((?:[^"\\]|\\.)+)"|([^\s;"]+))/i.exec(contentType)
  const boundary = found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
  if (boundary === undefined || Buffer.byteLength(boundary) > 256) {
    throw new DatabaseError('badRequest', 'The content type names no boundary')
  }
  return boundary
}

export class MultipartReader {
  readonly #source: AsyncIterator<Buffer>
  readonly #delimiter: Buffer
  /** What was received and not given out. The body's first delimiter needs no line break of its own. */
  #pending: Buffer = Buffer.from('\r\n')
  #ended = false
  /** The next byte is content: of a part, or what stands before the first delimiter. */
  #inContent = true
  #finished = false

  constructor(source: AsyncIterable<Buffer>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
  }

  /** The next part; undefined behind the last. Throws badRequest, and what the source throws. */
  async nextPart(): Promise<ReceivedPart | undefined> {
    if (this.#inContent) for await (const _skipped of this.#content());
    if (this.#finished) return undefined
    const headers = await this.#headers()
    this.#inContent = true
    return { headers, body: this.#content() }
  }

  /** Gives the source back, read or not. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  /** Bytes up to the next delimiter, which is consumed, its line break included. */
  async *#content(): AsyncGenerator<Buffer, void, void> {
    while (this.#inContent) {
      const found = this.#pending.indexOf(this.#delimiter)
      if (found < 0) {
        const keep = this.#delimiter.length - 1
        if (this.#pending.length > keep) yield this.#take(this.#pending.length - keep)
        await this.#receive()
        continue
      }
      if (found > 0) yield this.#take(found)
      const length = await this.#delimiterLength()
      if (length > 0) {
        this.#take(length)
        this.#inContent = false
        return
      }
      // The boundary is the beginning of something else.
      yield this.#take(this.#delimiter.length)
    }
  }

  /** Length of the delimiter that `#pending` begins with, 0 if it is none. Notes the last one. */
  async #delimiterLength(): Promise<number> {
    let at = this.#delimiter.length
    await this.#need(at + 2)
    if (this.#pending[at] === DASH && this.#pending[at + 1] === DASH) {
      this.#finished = true
      return at + 2
    }
    while (this.#pending[at] === SPACE || this.#pending[at] === TAB) {
      at += 1
      if (at > MAX_HEAD_BYTES) return 0
      await this.#need(at + 2)
    }
    // The line break stays: a head is ended by two, and without headers the second follows the first.
    return this.#pending[at] === CR && this.#pending[at + 1] === LF ? at : 0
  }

  async #headers(): Promise<Map<string, string>> {
    let end = this.#pending.indexOf(HEAD_END)
    while (end < 0) {
      if (this.#pending.length > MAX_HEAD_BYTES) throw broken('the head of a part is too long')
      await this.#receive()
      end = this.#pending.indexOf(HEAD_END)
    }
    const lines = this.#take(end + HEAD_END.length)
      .toString('utf8')
      .split('\r\n')
    const headers = new Map<string, string>()
    for (const line of lines.filter((each) => each !== '')) {
      const colon = line.indexOf(':')
      if (colon < 1) throw broken('a line in the head of a part is no header')
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
    }
    return headers
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  async #need(length: number): Promise<void> {
    while (this.#pending.length < length) await this.#receive()
  }

  async #receive(): Promise<void> {
    if (this.#ended) throw broken('it ends before its last delimiter')
    const step = await this.#source.next()
    if (step.done === true) {
      this.#ended = true
      throw broken('it ends before its last delimiter')
    }
    this.#pending = this.#pending.length === 0 ? step.value : Buffer.concat([this.#pending, step.value])
  }
}

/** A parameter of the part's Content-Disposition. */
export function parameterOf(part: ReceivedPart, name: 'name' | 'filename'): string | undefined {
  const header = part.headers.get('content-disposition') ?? ''
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(header)
  return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
}

/** Takes its room of `hold`. Throws requestTooLarge, and as the hold does. */
export async function wholeBody(part: ReceivedPart, limitBytes: number, hold: MemoryHold): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of part.body) {
    bytes += chunk.length
    if (bytes > limitBytes) throw new DatabaseError('requestTooLarge')
    await hold.grow(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

function broken(what: string): DatabaseError {
  return new DatabaseError('badRequest', `The multipart body is broken: ${what}`)
}
