import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Hears of the body of a request. */
export interface BodyTaker {
  onChunk(chunk: Buffer): void
  /** The last byte has come. */
  onEnd(): void
}

/** What Node's server calls when the answer has gone out: it reads what is left of the body, and forgets it. */
const { _dump: dump } = IncomingMessage.prototype as { _dump?: () => void }

/**
 * A request that can tell of its body without the events of a stream. To be given to the HTTP server.
 * - Most short bodies come in one piece with their head, and Node's parser, which hands the head to the server, hands over the body
 *   before the turn ends: who asks for it while he is told of the head is told of all in the same turn. The stream's way costs a short
 *   request as much as looking at its document.
 * - The end of a request that nobody reads, as of each that has no body or whose body was told, is kept from the stream until
 *   somebody does: to end one takes five ticks, some listeners and a tenth of all that a request makes. Until then there is no
 *   `end` and no `close`.
 * - A client that waits to be told to send the body (`Expect: 100-continue`) is told so when somebody wants it, and never where the
 *   request is answered without.
 */
export class TellingMessage extends IncomingMessage {
  #taker: BodyTaker | undefined
  #isRead = false
  /** It came while nobody read, or was told. */
  #isEndKept = false
  #onWanted: (() => void) | undefined

  static {
    Object.defineProperty(TellingMessage.prototype, 'readableEnded', {
      configurable: true,
      /** Of what is all there and empty nothing is left to be read. */
      get(this: TellingMessage): boolean {
        return this.#isEndKept || Reflect.get(Readable.prototype, 'readableEnded', this)
      },
    })
  }

  /** Whoever takes is told of what comes, in the stream's place, until `untell`. False where the stream has begun. */
  tell(taker: BodyTaker): boolean {
    if (this.complete || this.destroyed || this.readableLength > 0 || this.readableFlowing !== null)
      return false
    this.#taker = taker
    this.#want()
    return true
  }

  /** The client waits: `listener` is called when the body is first asked for. */
  whenWanted(listener: () => void): void {
    this.#onWanted = listener
  }

  /** Nobody will ask for the body. Whether the client still waits to be told to send it. */
  forgoBody(): boolean {
    const waits = this.#onWanted !== undefined
    this.#onWanted = undefined
    return waits
  }

  #want(): void {
    const told = this.#onWanted
    if (told === undefined) return
    this.#onWanted = undefined
    told()
  }

  /** What is still to come is the stream's. */
  untell(): void {
    this.#taker = undefined
  }

  /** Called by Node's parser: with each piece of the body, and with null behind the last. */
  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    const taker = this.#taker
    if (taker === undefined) {
      if (chunk !== null || this.#isRead || this.readableFlowing !== null || this.readableLength > 0)
        return super.push(chunk, encoding)
      this.#isEndKept = true
      return false
    }
    if (chunk !== null) {
      taker.onChunk(chunk)
      return true
    }
    this.#taker = undefined
    this.#isEndKept = true
    taker.onEnd()
    return false
  }

  /** Called by the stream when somebody reads. */
  override _read(size: number): void {
    this.#isRead = true
    this.#want()
    super._read(size)
    if (!this.#isEndKept) return
    this.#isEndKept = false
    super.push(null)
  }

  /** See `dump`. */
  _dump(): void {
    if (!this.#isEndKept) dump?.call(this)
  }
}
