/** Answers that are one text and an empty one go out as one piece, with the bytes that lists of pieces have. */
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t from 'tap'
import { writeSinglePieces } from '../../src/http/listen/one-piece.ts'

/** What came, and how many lists of pieces the server has written. */
function sent(requests: string, isSingle: boolean, listener: RequestListener) {
  return new Promise<{ text: string; lists: number }>((resolve) => {
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
    server.listen(0, '127.0.0.1', () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () =>
        socket.write(requests),
      )
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      socket.on('close', () => {
        server.close()
        resolve({ text, lists })
      })
    })
  })
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n'
const THREE = `${GET}\r\n${GET}\r\n${GET}Connection: close\r\n\r\n`
const BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')

const ANSWERS: [string, RequestListener, isOnePiece: boolean][] = [
  ['a text of bytes', (_, response) => void response.end(BYTES, 'latin1'), true],
  ['a text', (_, response) => void response.end('ünï'), true],
  ['a long text', (_, response) => void response.end(BYTES.repeat(4000), 'latin1'), true],
  ['bytes', (_, response) => void response.end(Buffer.from(BYTES, 'latin1')), false],
  ['nothing', (_, response) => void response.writeHead(204).end(), true],
  [
    'two texts',
    (_, response) => {
      response.socket?.cork()
      response.setHeader('Content-Length', '3').flushHeaders()
      response.write('one')
      setImmediate(() => response.end())
    },
    false,
  ],
  [
    'chunks',
    (_, response) => {
      response.write('one')
      response.write(Buffer.from('two'))
      response.end('three')
    },
    false,
  ],
]

for (const [name, listener, isOnePiece] of ANSWERS) {
  t.test(name, async (t) => {
    const dated: RequestListener = (request, response) => {
      response.sendDate = false
      listener(request, response)
    }
    const lists = await sent(THREE, false, dated)
    const single = await sent(THREE, true, dated)
    t.equal(single.text, lists.text)
    t.equal(single.lists > 0, !isOnePiece)
  })
}
