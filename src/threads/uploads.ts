/**
 * Long values that a front sends in pieces, one piece under way at a time: a piece is answered when the store has taken
 * it, so that what is in memory is one piece an upload.
 */
import { DatabaseError } from '../base/errors.ts'

export interface Appended {
  reference: Uint8Array
  salt: bigint
}

type Append = (source: AsyncIterable<Uint8Array>) => Promise<Appended>

/** A source that is fed from outside. */
class Feed implements AsyncIterable<Uint8Array> {
  #piece: { bytes: Uint8Array; taken: () => void; refused: (error: unknown) => void } | undefined
  #wake: (() => void) | undefined
  #state: 'open' | 'finished' | 'aborted' = 'open'

  /** Resolves when the piece is taken. */
  feed(bytes: Uint8Array): Promise<undefined> {
    return new Promise((resolve, reject) => {
      this.#piece = { bytes, taken: () => resolve(undefined), refused: reject }
      this.#wake?.()
    })
  }

  end(state: 'finished' | 'aborted'): void {
    if (this.#state === 'open') this.#state = state
    this.#wake?.()
  }

  /** Nobody takes pieces any more. */
  refuse(error: unknown): void {
    this.#state = 'aborted'
    this.#piece?.refused(error)
    this.#piece = undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const piece = this.#piece
      if (piece !== undefined) {
        yield piece.bytes
        this.#piece = undefined
        piece.taken()
      } else if (this.#state === 'finished') return
      else if (this.#state === 'aborted') throw new DatabaseError('clientGone')
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    }
  }
}

interface Upload {
  readonly feed: Feed
  readonly appended: Promise<Appended>
}

export class Uploads {
  readonly #uploads = new Map<number, Upload>()
  #last = 0

  /** Gives the number of the upload. */
  begin(append: Append): number {
    const feed = new Feed()
    const appended = append(feed)
    // Whoever feeds it hears of it.
    appended.catch((error: unknown) => feed.refuse(error))
    this.#last += 1
    this.#uploads.set(this.#last, { feed, appended })
    return this.#last
  }

  /** Rejects as the store does. */
  async take(number: number, bytes: Uint8Array): Promise<undefined> {
    const { feed, appended } = this.#of(number)
    await Promise.race([feed.feed(bytes), appended])
  }

  async finish(number: number): Promise<Appended> {
    const { feed, appended } = this.#of(number)
    this.#uploads.delete(number)
    feed.end('finished')
    return appended
  }

  abort(number: number): undefined {
    this.#uploads.get(number)?.feed.end('aborted')
    this.#uploads.delete(number)
  }

  end(): void {
    for (const number of [...this.#uploads.keys()]) this.abort(number)
  }

  #of(number: number): Upload {
    const upload = this.#uploads.get(number)
    if (upload === undefined) throw new DatabaseError('databaseClosed')
    return upload
  }
}
