/** Of an answer, before they go out together. */
const CHUNK_BYTES = 32 * 1024
/** The same of a long answer whose client takes what comes: he is woken a quarter as often. */
const WIDE_CHUNK_BYTES = 128 * 1024
/** What a chunk takes beside, so that most pieces that go beyond its bound are still in it. */
const CHUNK_SLACK_BYTES = 16 * 1024
/** Of one code unit. */
const MAX_UTF8_BYTES = 3
/** What is free in front of an answer that may go out whole: for its head, which is some hundred bytes. */
const HEAD_ROOM_BYTES = 1024

/**
 * Chunks of either length that the operating system has taken all of, for whoever fills the next one: memory that is new for each
 * costs as much as what is written to it. `own` knows which memory is a chunk: what is sent may be somebody else's.
 */
const spare = { narrow: [] as Chunk[], wide: [] as Chunk[] }
/** Of each length: what the short answers of one turn of the event loop are in. */
const MOST_SPARE = 17
const own = new WeakMap<ArrayBufferLike, { chunk: Chunk; spares: Chunk[] }>()

/** Memory that is written to. */
export interface Chunk {
  readonly bytes: Buffer
  /** Of the same memory, for who writes some bytes at once. */
  readonly view: DataView
}

function chunkOf(length: number): Chunk {
  const bytes = Buffer.allocUnsafeSlow(length)
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
}

/** Of so many bytes at least. */
function newChunk(bytes: number): Chunk {
  if (bytes > WIDE_CHUNK_BYTES + CHUNK_SLACK_BYTES) return chunkOf(bytes)
  const isNarrow = bytes <= CHUNK_BYTES + CHUNK_SLACK_BYTES
  const spares = isNarrow ? spare.narrow : spare.wide
  const used = spares.pop()
  if (used !== undefined) return used
  const chunk = chunkOf((isNarrow ? CHUNK_BYTES : WIDE_CHUNK_BYTES) + CHUNK_SLACK_BYTES)
  own.set(chunk.bytes.buffer, { chunk, spares })
  return chunk
}

/** Takes bytes that `take` or `takeWhole` gave, of which nothing is read any more: they are to be given here once. */
export function giveBack({ buffer }: Buffer): void {
  const known = own.get(buffer)
  if (known !== undefined && known.spares.length < MOST_SPARE) known.spares.push(known.chunk)
}

/** A whole answer as it lies in memory: `bytes` from `start` to `end`. What stands before `start` may be written over. */
export interface Whole {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/**
 * What goes out next. Texts that follow each other are put together before they become bytes, and short pieces
 * are written one behind the other into one chunk: a row costs two copies and no allocation. An answer that is one
 * short text takes no chunk: it would be as much memory again as all else of the request.
 */
export class Gathered {
  #text = ''
  /** Whole ones, before what is in `#chunk`. */
  #full: Buffer[] = []
  #fullBytes = 0
  #chunk: Chunk | undefined
  /** Of the chunk: where what is gathered begins. */
  #start = 0
  /** Of the chunk: what stands before it is written. Who has reserved room writes from here on, and moves it. */
  used = 0
  /** What is left free in front of the first chunk. */
  #roomBefore = 0

  /** Bytes after which it is time to send them. */
  most = CHUNK_BYTES

  /** Who takes it is quick, or is not: chunks are longer or shorter from now on. */
  adapt(isQuick: boolean): void {
    this.most = isQuick ? WIDE_CHUNK_BYTES : CHUNK_BYTES
  }

  get isFull(): boolean {
    return this.size >= this.most
  }

  /** One of what may go out whole, behind a head that is written in front of it. */
  static behindHead(): Gathered {
    const gathered = new Gathered()
    gathered.#roomBefore = HEAD_ROOM_BYTES
    return gathered
  }

  /** Bytes, and code units of what is still text. */
  get size(): number {
    return this.#fullBytes + this.used - this.#start + this.#text.length
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
    const { bytes } = this.#room(piece.length)
    bytes.set(piece, this.used)
    this.used += piece.length
  }

  /** Everything so far, in one piece of memory that is the caller's. */
  takeWhole(): Whole {
    this.#writeText()
    const chunk = this.#chunk
    if (chunk === undefined || this.#full.length > 0) {
      const bytes = this.take()
      return { bytes, start: 0, end: bytes.length }
    }
    const whole = { bytes: chunk.bytes, start: this.#start, end: this.used }
    this.#leaveChunk()
    return whole
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
    if (full.length === 1) return full[0]!
    const joined = Buffer.concat(full, bytes)
    for (const part of full) giveBack(part)
    return joined
  }

  /** Gives the chunk, with room for so many bytes from `used` on: good until something else is done here. */
  reserve(bytes: number): Chunk {
    if (this.#text !== '') this.#writeText()
    return this.#room(bytes)
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
    const { bytes } = this.#room(most)
    this.used += bytes.write(text, this.used)
  }

  #room(bytes: number): Chunk {
    if (this.#chunk !== undefined && this.used + bytes <= this.#chunk.bytes.length) return this.#chunk
    this.#close()
    const before = this.#roomBefore
    this.#roomBefore = 0
    this.#chunk = newChunk(Math.max(before + bytes, this.most + CHUNK_SLACK_BYTES))
    this.#start = before
    this.used = before
    return this.#chunk
  }

  #close(): void {
    const chunk = this.#chunk
    if (chunk !== undefined && this.used > this.#start) {
      this.#push(chunk.bytes.subarray(this.#start, this.used))
    }
    this.#leaveChunk()
  }

  #leaveChunk(): void {
    this.#chunk = undefined
    this.#start = 0
    this.used = 0
  }

  #push(chunk: Buffer): void {
    this.#full.push(chunk)
    this.#fullBytes += chunk.length
  }
}
