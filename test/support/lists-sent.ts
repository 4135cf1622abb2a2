/** What a server answers, and whether in one piece each time or in lists of pieces. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { writeSinglePieces } from '../../src/http/listen/one-piece.ts'

/** The head of a request but its end. */
export const GET = 'GET / HTTP/1.1\r\nHost: x\r\n'
/** Three of them, sent at once. */
export const THREE = `${GET}\r\n${GET}\r\n${GET}Connection: close\r\n\r\n`

/** What came, and how many lists of pieces the server has written. */
export async function sent(
  requests: string,
  isSingle: boolean,
  listener: RequestListener,
): Promise<{ text: string; lists: number }> {
  let lists = 0
  const server = createServer(listener)
  server.on('connection', (socket: Socket) => {
    const writeAll = socket._writev!
    socket._writev = function (pieces, callback) {
      lists += 1
      writeAll.call(this, pieces, callback)
    }
  })
  if (isSingle) writeSinglePieces(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write(requests))
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  await once(socket, 'close')
  server.close()
  return { text, lists }
}
