/** Of an answer, before they go out together. */
const CHUNK_BYTES = 32 * 1024
/** The same of a long answer whose client takes what comes: he is woken a quarter as often. */
const WIDE_CHUNK_BYTES = 128 * 1024
/** What a chunk takes beside, so that most pieces that go beyond its bound are still in it. */
const CHUNK_SLACK_BYTES = 16 * 1024
/** Of one code unit. */
const MAX_UTF8_BYTES = 3

/**
 * Chunks of either length that the operating system has taken all of, for whoever fills the next one: memory that is new for each
 * costs as much as what is written to it. `own` knows which memory is a chunk: what is sent may be somebody else's.
 */
const spare = { narrow: [] as Chunk[], wide: [] as Chunk[] }
const MOST_SPARE = 8
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

/** Takes bytes that `take` gave, of which nothing is read any more: they are to be given here once. */
export function giveBack({ buffer }: Buffer): void {
  const known = own.get(buffer)
  if (known !== undefined && known.spares.length < MOST_SPARE) known.spares.push(known.chunk)
}

/** The thread's chunk for what ends within the turn in which it began: most answers need no memory of their own. */
let desk = newChunk(CHUNK_BYTES)
let isDeskTaken = false

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
  /** Of the chunk: what stands before it is written. Who has reserved room writes from here on, and moves it. */
  used = 0

  /** Bytes after which it is time to send them. */
  most = CHUNK_BYTES

  /** Who takes it is quick, or is not: chunks are longer or shorter from now on. */
  adapt(isQuick: boolean): void {
    this.most = isQuick ? WIDE_CHUNK_BYTES : CHUNK_BYTES
  }

  get isFull(): boolean {
    return this.size >= this.most
  }

  /** One that may use the thread's chunk until it leaves, which it must do before anybody else's turn. */
  static atDesk(): Gathered {
    const gathered = new Gathered()
    if (!isDeskTaken) {
      isDeskTaken = true
      gathered.#chunk = desk
    }
    return gathered
  }

  /** From now on what was gathered is in memory of its own. */
  leaveDesk(): void {
    if (this.#chunk !== desk) return
    isDeskTaken = false
    this.#chunk = undefined
    if (this.used === 0) return
    this.#chunk = newChunk(desk.bytes.length)
    desk.bytes.copy(this.#chunk.bytes, 0, 0, this.used)
  }

  /** Bytes, and code units of what is still text. */
  get size(): number {
    return this.#fullBytes + this.used + this.#text.length
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

  /**
   * Shows everything so far, and forgets it. `look` says whether he keeps the bytes; else they are the thread's again when he
   * has returned.
   */
  show(look: (bytes: Buffer) => boolean): void {
    this.#writeText()
    if (this.#chunk !== desk || this.#full.length > 0) {
      look(this.take())
      return
    }
    let isKept = true
    try {
      isKept = look(desk.bytes.subarray(0, this.used))
    } finally {
      // Who keeps it gives it back to nobody: he has no way to say when he has done with it.
      if (isKept) desk = newChunk(CHUNK_BYTES)
      this.#chunk = undefined
      this.used = 0
      isDeskTaken = false
    }
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
    this.#chunk = newChunk(Math.max(bytes, this.most + CHUNK_SLACK_BYTES))
    return this.#chunk
  }

  #close(): void {
    this.leaveDesk()
    const chunk = this.#chunk
    if (chunk !== undefined && this.used > 0) this.#push(chunk.bytes.subarray(0, this.used))
    this.#chunk = undefined
    this.used = 0
  }

  #push(chunk: Buffer): void {
    this.#full.push(chunk)
    this.#fullBytes += chunk.length
  }
}
