/** Answers that are one text and an empty one go out as one piece, with the bytes that lists of pieces have. */
import type { RequestListener } from 'node:http'
import t from 'tap'
import { sent, THREE } from '../support/lists-sent.ts'

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
