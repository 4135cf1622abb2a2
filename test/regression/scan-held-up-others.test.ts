/**
 * A full scan kept all other clients waiting to its end: 2 s for 300 MB. Streamed answers gave the event loop a
 * turn only after a chunk that the socket took without filling up, and no chunk is smaller than its buffer; for
 * the others they waited for `drain`, which comes within the same turn as long as the client reads fast enough.
 */
import t from 'tap'
import { sendPieces } from '../../src/http/answer/stream.ts'
import { sinkResponse } from '../support/sink-response.ts'

const CHUNKS = 200
/** More than is gathered of small pieces. */
const CHUNK = Buffer.alloc(256 * 1024)

t.test('the event loop gets a turn between chunks that a fast client takes at once', async (t) => {
  let turns = 0
  let over = false
  const count = (): void => {
    turns += 1
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  await sendPieces(sinkResponse(), Array(CHUNKS).fill(CHUNK).values())
  over = true
  t.ok(turns >= CHUNKS, `${turns} turns`)
})
