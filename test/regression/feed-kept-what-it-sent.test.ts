/**
 * A continuous feed of a 500 MB database made the server grow by 860 MB. Each of its pieces was awaited by
 * `Promise.race` against one promise of the client's end, and a promise keeps every reaction that was added to
 * it, with what the race was won by, until it settles: here until the answer's end.
 */
import t from 'tap'
import { sendPieces } from '../../src/http/answer/stream.ts'
import { collectGarbage } from '../support/garbage.ts'
import { sinkResponse } from '../support/sink-response.ts'

const PIECES = 200
const PIECE_BYTES = 40 * 1024

t.test('a piece that was sent is not kept', async (t) => {
  const sent: WeakRef<Buffer>[] = []
  let kept = PIECES
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let number = 0; number < PIECES; number++) {
      const piece = Buffer.alloc(PIECE_BYTES)
      sent.push(new WeakRef(piece))
      yield piece
    }
    collectGarbage()
    kept = sent.filter((reference) => reference.deref() !== undefined).length
  }
  await sendPieces(sinkResponse(), pieces())
  t.ok(kept < 10, `${kept} of ${PIECES} are still in memory`)
})
