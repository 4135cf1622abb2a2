import type { ServerResponse } from 'node:http'
import { isTurnOver, nextTurn } from '../../base/time-slice.ts'
import { FLUSH, PAUSE, type Piece, type PieceSource } from '../../documents/piece.ts'
import type { Pieces } from './answer.ts'

/**
 * Streamed answers. At most one chunk is in memory beside what the socket holds: pieces are gathered to
 * `CHUNK_BYTES`, a chunk that the socket does not take at once is waited for, and others get their turn between
 * chunks, and between pieces where those take long. When the client goes away the iterator is returned, so a scan's
 * snapshot is freed.
 */
const CHUNK_BYTES = 32 * 1024
/** What a chunk takes beside, so that most pieces that go beyond its bound are still in it. */
const CHUNK_SLACK_BYTES = 16 * 1024
/** Of one code unit. */
const MAX_UTF8_BYTES = 3

export interface Sending {
  /** Writes the head, when there is something to follow it: what fails before can still be told as an answer of its own. */
  begin?: () => void
  /** The answer's end waits for it. */
  beforeEnd?: Promise<void> | undefined
  /** Hears how many bytes are handed over, each time. */
  onBytes?: (bytes: number) => void
}

/**
 * Resolves when everything was handed to the socket, or when the client has gone. Rejects as the pieces do.
 */
export async function sendPieces(
  response: ServerResponse,
  pieces: Pieces,
  { begin = () => {}, beforeEnd, onBytes = () => {} }: Sending = {},
): Promise<void> {
  const client = new Client(response)
  const gathered = new Gathered()
  let finished = false
  let begun = false
  const take = (): Buffer => {
    const bytes = gathered.take()
    onBytes(bytes.length)
    return bytes
  }
  const flush = async (): Promise<void> => {
    if (!begun) begin()
    if (gathered.size === 0) {
      // A feed that has nothing to say yet says that it is there.
      if (!begun) response.flushHeaders()
    } else {
      if (!response.write(take())) await client.drained()
      // A client that reads fast lets the socket drain within the same turn of the event loop.
      await nextTurn()
    }
    begun = true
  }
  try {
    while (!client.gone) {
      const next = pieces.next()
      const step = next instanceof Promise ? await client.unlessGone(next) : next
      if (step === undefined) break
      if (step.done === true) {
        finished = true
        break
      }
      if (step.value === FLUSH) await flush()
      else if (step.value === PAUSE) await nextTurn()
      else if (isSource(step.value)) {
        if (!(await sendSource(step.value, gathered, client, flush))) break
      } else {
        gathered.add(step.value)
        if (gathered.size >= CHUNK_BYTES) await flush()
        else if (isTurnOver()) await nextTurn()
      }
    }
    if (finished) {
      if (!begun) begin()
      if (beforeEnd !== undefined) {
        response.write(take())
        await beforeEnd
      }
      response.end(take())
    }
  } finally {
    client.forget()
    if (!finished) await pieces.return?.()
  }
}

function isSource(piece: Piece): piece is PieceSource {
  return typeof piece === 'object' && Symbol.asyncIterator in piece
}

/** False when the client has gone. */
async function sendSource(
  source: PieceSource,
  gathered: Gathered,
  client: Client,
  flush: () => Promise<void>,
): Promise<boolean> {
  for await (const piece of source) {
    if (client.gone) return false
    gathered.add(piece)
    if (gathered.size >= CHUNK_BYTES) await flush()
    else if (isTurnOver()) await nextTurn()
  }
  return !client.gone
}

/**
 * What goes out next. Texts that follow each other are put together before they become bytes, and short pieces
 * are written one behind the other into one chunk: a row costs two copies and no allocation. An answer that is one
 * short text takes no chunk: it would be as much memory again as all else of the request.
 */
class Gathered {
  #text = ''
  /** Whole ones, before what is in `#chunk`. */
  #full: Buffer[] = []
  #fullBytes = 0
  #chunk: Buffer | undefined
  #used = 0

  /** Bytes, and code units of what is still text. */
  get size(): number {
    return this.#fullBytes + this.#used + this.#text.length
  }

  add(piece: string | Uint8Array): void {
    if (typeof piece === 'string') {
      this.#text += piece
      return
    }
    this.#writeText()
    if (piece.length > CHUNK_BYTES) {
      this.#close()
      this.#push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
      return
    }
    const chunk = this.#room(piece.length)
    chunk.set(piece, this.#used)
    this.#used += piece.length
  }

  /** Everything so far. The bytes are the caller's. */
  take(): Buffer {
    if (this.#chunk === undefined && this.#full.length === 0) {
      const text = this.#text
      this.#text = ''
      return Buffer.from(text)
    }
    this.#writeText()
    this.#close()
    const full = this.#full
    const bytes = this.#fullBytes
    this.#full = []
    this.#fullBytes = 0
    return full.length === 1 ? full[0]! : Buffer.concat(full, bytes)
  }

  #writeText(): void {
    const text = this.#text
    if (text === '') return
    this.#text = ''
    const most = text.length * MAX_UTF8_BYTES
    if (most > CHUNK_BYTES) {
      this.#close()
      this.#push(Buffer.from(text, 'utf8'))
      return
    }
    const chunk = this.#room(most)
    this.#used += chunk.write(text, this.#used)
  }

  #room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.#used + bytes <= this.#chunk.length) return this.#chunk
    this.#close()
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES + CHUNK_SLACK_BYTES)
    return this.#chunk
  }

  #close(): void {
    if (this.#chunk !== undefined && this.#used > 0) this.#push(this.#chunk.subarray(0, this.#used))
    this.#chunk = undefined
    this.#used = 0
  }

  #push(chunk: Buffer): void {
    this.#full.push(chunk)
    this.#fullBytes += chunk.length
  }
}

/**
 * Waits that end when the client goes. One at a time, by callbacks: a promise of the client's end that every
 * wait raced would keep something of each of them for as long as the answer lasts.
 */
class Client {
  readonly #response: ServerResponse
  #wake: (() => void) | undefined
  readonly #onEvent = (): void => this.#wake?.()

  constructor(response: ServerResponse) {
    this.#response = response
    response.on('close', this.#onEvent)
    response.on('drain', this.#onEvent)
  }

  get gone(): boolean {
    return this.#response.destroyed
  }

  /** Resolves when the socket has taken what was written, or when the client has gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (this.gone) resolve()
    })
  }

  /** Resolves and rejects as `work` does, and with undefined when the client goes before. */
  unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.gone) resolve(undefined)
      }
      this.#wake()
      work.then(resolve, reject)
    })
  }

  forget(): void {
    this.#response.off('close', this.#onEvent)
    this.#response.off('drain', this.#onEvent)
  }
}
