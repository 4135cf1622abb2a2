import { IncomingMessage } from 'node:http'

/** Hears of the body of a request. */
export interface BodyTaker {
  onChunk(chunk: Buffer): void
  /** The last byte has come. */
  onEnd(): void
}

/**
 * A request that can tell of its body without the events of a stream. Most short bodies come in one piece with their head, and
 * Node's parser, which hands the head to the server, hands over the body before the turn ends: who asks for it while he is told of
 * the head is told of all in the same turn. The stream's way costs a short request as much as looking at its document.
 * To be given to the HTTP server.
 */
export class TellingMessage extends IncomingMessage {
  #taker: BodyTaker | undefined

  /** Whoever takes is told of what comes, in the stream's place, until `untell`. False where the stream has begun. */
  tell(taker: BodyTaker): boolean {
    if (this.complete || this.destroyed || this.readableLength > 0 || this.readableFlowing !== null)
      return false
    this.#taker = taker
    return true
  }

  /** What is still to come is the stream's. */
  untell(): void {
    this.#taker = undefined
  }

  /** Called by Node's parser: with each piece of the body, and with null behind the last. */
  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    const taker = this.#taker
    if (taker === undefined) return super.push(chunk, encoding)
    if (chunk !== null) {
      taker.onChunk(chunk)
      return true
    }
    this.#taker = undefined
    const goesOn = super.push(null)
    taker.onEnd()
    return goesOn
  }
}
