/** What is read of a request after its answer. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { discardRest } from '../../src/http/listen/lingering.ts'

const LENGTH = 4 * 1024 * 1024
const SILENT_MS = 1500

t.test('whoever has to wait for the pace is read no further, and not taken for silent', async (t) => {
  const listener = createServer()
  t.teardown(() => listener.close())
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  t.teardown(() => socket.destroy())
  socket.write(`PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: ${LENGTH}\r\n\r\n`)
  const [request] = (await once(listener, 'request')) as [IncomingMessage, ServerResponse]
  let taken = 0
  const waitsMs = [SILENT_MS + 300]
  const pace = {
    take(bytes: number): number {
      taken += bytes
      t.equal(request.isPaused(), false, 'nothing is read while it waits')
      return waitsMs.pop() ?? 0
    },
  }
  const limits = { bytes: 2 * LENGTH, totalMs: 60_000, idleMs: SILENT_MS }
  const rest = discardRest(request, { limits, pace })
  socket.write(Buffer.alloc(LENGTH))
  await rest
  t.equal(taken, LENGTH, 'though the wait was longer than a client may be silent')
  t.same(waitsMs, [])
})
