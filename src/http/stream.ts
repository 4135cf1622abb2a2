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
  const gone = watchClose(response)
  let gathered: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    if (size === 0) return
    const chunk = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered, size)
    gathered = []
    size = 0
    if (!response.write(chunk)) await Promise.race([drained(response), gone.promise])
    else await yieldTurn()
  }
  let finished = false
  try {
    while (!gone.closed()) {
      const next = pieces.next()
      const step = next instanceof Promise ? await Promise.race([next, gone.promise]) : next
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
    gone.stop()
    if (!finished) await pieces.return?.()
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function drained(response: ServerResponse): Promise<undefined> {
  return new Promise((resolve) => response.once('drain', () => resolve(undefined)))
}

function watchClose(response: ServerResponse): {
  promise: Promise<undefined>
  closed: () => boolean
  stop: () => void
} {
  let onClose: () => void = () => {}
  const promise = new Promise<undefined>((resolve) => {
    onClose = () => resolve(undefined)
    if (response.destroyed) resolve(undefined)
    else response.once('close', onClose)
  })
  return { promise, closed: () => response.destroyed, stop: () => response.off('close', onClose) }
}
