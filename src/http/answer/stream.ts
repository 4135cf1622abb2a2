import type { ServerResponse } from 'node:http'
import { isTurnOver, nextTurn, ShortWork } from '../../base/time-slice.ts'
import { Gathered, giveBack, type Whole } from '../../documents/gathered.ts'
import { FLUSH, PAUSE, type PieceSource, type RowFiller } from '../../documents/piece.ts'
import type { AnswerPiece, Pieces } from './answer.ts'

/**
 * Streamed answers. At most one chunk is in memory beside what the socket holds: pieces are gathered to
 * a chunk's length, a chunk that the socket does not take at once is waited for, and others get their turn between
 * chunks, and between pieces where those take long. When the client goes away the iterator is returned, so a scan's
 * snapshot is freed. An answer whose pieces all come at once, and are no chunk, goes out whole, with its length.
 */

export interface Sending {
  /** Writes the head, when there is something to follow it: what fails before can still be told as an answer of its own. */
  begin?: () => void
  /** Writes the head with the length of the body, and the body, whose memory is then whoever does it's. */
  whole?: ((body: Whole) => void) | undefined
  /** The answer's end waits for it. */
  beforeEnd?: Promise<void> | undefined
  /** Hears how many bytes are handed over, each time. */
  onBytes?: (bytes: number) => void
  /** Asked before the head and what was gathered go out. What it throws, or rejects with, ends the answer without them. */
  beforeBytes?: () => Promise<void> | undefined
}

type Step = IteratorResult<AnswerPiece>

/**
 * Resolves when everything was handed to the socket, or when the client has gone; undefined where that is so already.
 * Rejects as the pieces do.
 */
export function sendPieces(
  response: ServerResponse,
  pieces: Pieces,
  sending: Sending = {},
): Promise<void> | undefined {
  const { whole, beforeEnd } = sending
  // Nothing is begun for a client who has gone: nobody would hear how it ends.
  if (whole === undefined || beforeEnd !== undefined || response.destroyed) {
    return sendGathered(response, pieces, new Gathered(), undefined, sending)
  }
  const gathered = Gathered.behindHead()
  let step: Step | Promise<Step>
  try {
    step = gatherAtOnce(pieces, gathered)
    if (!(step instanceof Promise) && step.done === true) {
      whole(gathered.takeWhole())
      return undefined
    }
  } catch (error) {
    return failed(pieces, error)
  }
  return sendGathered(response, pieces, gathered, step, sending)
}

/** The first step that is no piece to be gathered, or that is too much. */
function gatherAtOnce(pieces: Pieces, gathered: Gathered): Step | Promise<Step> {
  const work = new ShortWork()
  for (;;) {
    const step = pieces.next()
    if (step instanceof Promise || step.done === true) return step
    const { value } = step
    if (isFiller(value)) {
      do {
        if (gathered.isFull || work.isTurnOver()) return step
      } while (value.fill(gathered))
      continue
    }
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) return step
    if (gathered.isFull || work.isTurnOver()) return step
    gathered.add(value)
  }
}

async function failed(pieces: Pieces, error: unknown): Promise<never> {
  await pieces.return?.()
  throw error
}

async function sendGathered(
  response: ServerResponse,
  pieces: Pieces,
  gathered: Gathered,
  first: Step | Promise<Step> | undefined,
  { begin = () => {}, beforeEnd, onBytes = () => {}, beforeBytes = () => undefined }: Sending,
): Promise<void> {
  const client = new Client(response)
  let finished = false
  let begun = false
  const take = (): Buffer => {
    const bytes = gathered.take()
    onBytes(bytes.length)
    return bytes
  }
  const flush = async (): Promise<void> => {
    // Before the head too: what is refused by then is refused as if it had been from the beginning.
    const asking = beforeBytes()
    if (asking !== undefined) await asking
    if (!begun) begin()
    if (gathered.size === 0) {
      // A feed that has nothing to say yet says that it is there.
      if (!begun) response.flushHeaders()
    } else {
      const bytes = take()
      response.write(bytes, (error) => {
        if (error === undefined || error === null) giveBack(bytes)
      })
      // A client that reads fast lets the socket drain within the same turn of the event loop.
      await nextTurn()
      const isBehind = response.writableNeedDrain
      gathered.adapt(!isBehind)
      if (isBehind) await client.drained()
    }
    begun = true
  }
  try {
    let ahead = first
    while (!client.gone) {
      const next = ahead ?? pieces.next()
      ahead = undefined
      const step = next instanceof Promise ? await client.unlessGone(next) : next
      if (step === undefined) break
      if (step.done === true) {
        finished = true
        break
      }
      if (step.value === FLUSH) await flush()
      else if (step.value === PAUSE) await nextTurn()
      else if (isFiller(step.value)) {
        while (!client.gone && step.value.fill(gathered)) {
          if (gathered.isFull) await flush()
          else if (isTurnOver()) await nextTurn()
        }
      } else if (isSource(step.value)) {
        if (!(await sendSource(step.value, gathered, client, flush))) break
      } else {
        gathered.add(step.value)
        if (gathered.isFull) await flush()
        else if (isTurnOver()) await nextTurn()
      }
    }
    if (finished) {
      const asking = beforeBytes()
      if (asking !== undefined) await asking
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

function isSource(piece: AnswerPiece): piece is PieceSource {
  return typeof piece === 'object' && !(piece instanceof Uint8Array)
}

function isFiller(piece: AnswerPiece): piece is RowFiller {
  return typeof piece === 'object' && 'fill' in piece && !(piece instanceof Uint8Array)
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
    if (gathered.isFull) await flush()
    else if (isTurnOver()) await nextTurn()
  }
  return !client.gone
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
