import type { ServerResponse } from 'node:http'
import { FLUSH, PAUSE, type StreamedAnswer } from './answer.ts'

/**
 * Streamed answers. At most one chunk is in memory beside what the socket holds: pieces are gathered to
 * `CHUNK_BYTES`, a chunk that the socket does not take at once is waited for, and between chunks other
 * requests get their turn. When the client goes away the iterator is returned, so a scan's snapshot is freed.
 */
const CHUNK_BYTES = 32 * 1024

type Pieces = StreamedAnswer['pieces']

/** Resolves when everything was handed to the socket, or when the client has gone. Rejects as the pieces do. */
export async function sendPieces(response: ServerResponse, pieces: Pieces): Promise<void> {
  const client = new Client(response)
  let gathered: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    if (size === 0) return
    const chunk = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered, size)
    gathered = []
    size = 0
    if (!response.write(chunk)) await client.drained()
    // A client that reads fast lets the socket drain within the same turn of the event loop.
    await yieldTurn()
  }
  let finished = false
  try {
    while (!client.gone) {
      const next = pieces.next()
      const step = next instanceof Promise ? await client.unlessGone(next) : next
      if (step === undefined) break
      if (step.done === true) {
        finished = true
        break
      }
      if (step.value === PAUSE) {
        await yieldTurn()
        continue
      }
      if (step.value === FLUSH) {
        await flush()
        continue
      }
      const bytes = typeof step.value === 'string' ? Buffer.from(step.value, 'utf8') : toBuffer(step.value)
      gathered.push(bytes)
      size += bytes.length
      if (size >= CHUNK_BYTES) await flush()
    }
    if (finished && size > 0)
      response.write(gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered, size))
    if (finished) response.end()
  } finally {
    client.forget()
    if (!finished) await pieces.return?.()
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
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
