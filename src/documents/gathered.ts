/** Of an answer, before they go out together. */
export const CHUNK_BYTES = 32 * 1024
/** What a chunk takes beside, so that most pieces that go beyond its bound are still in it. */
const CHUNK_SLACK_BYTES = 16 * 1024
/** Of one code unit. */
const MAX_UTF8_BYTES = 3

/** The thread's chunk for what ends within the turn in which it began: most answers need no memory of their own. */
let desk = newChunk()
let isDeskTaken = false

function newChunk(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES + CHUNK_SLACK_BYTES)
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
  #chunk: Buffer | undefined
  /** Of the chunk: what stands before it is written. Who has reserved room writes from here on, and moves it. */
  used = 0

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
    this.#chunk = Buffer.allocUnsafeSlow(desk.length)
    desk.copy(this.#chunk, 0, 0, this.used)
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
    const chunk = this.#room(piece.length)
    chunk.set(piece, this.used)
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
      isKept = look(desk.subarray(0, this.used))
    } finally {
      if (isKept) desk = newChunk()
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
    return full.length === 1 ? full[0]! : Buffer.concat(full, bytes)
  }

  /** Gives the chunk, with room for so many bytes from `used` on: good until something else is done here. */
  reserve(bytes: number): Buffer {
    if (this.#text !== '') this.#writeText()
    return this.#room(bytes)
  }

  /** Bytes of memory that somebody else uses again. */
  addCopy(bytes: Uint8Array, start: number, end: number): void {
    const chunk = this.reserve(end - start)
    chunk.set(bytes.subarray(start, end), this.used)
    this.used += end - start
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
    this.used += chunk.write(text, this.used)
  }

  #room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.used + bytes <= this.#chunk.length) return this.#chunk
    this.#close()
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(bytes, CHUNK_BYTES + CHUNK_SLACK_BYTES))
    return this.#chunk
  }

  #close(): void {
    this.leaveDesk()
    const chunk = this.#chunk
    if (chunk !== undefined && this.used > 0) this.#push(chunk.subarray(0, this.used))
    this.#chunk = undefined
    this.used = 0
  }

  #push(chunk: Buffer): void {
    this.#full.push(chunk)
    this.#fullBytes += chunk.length
  }
}
