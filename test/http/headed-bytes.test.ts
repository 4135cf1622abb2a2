/** Bytes that go out behind a head of Node's: as one piece, as Node itself sends them, from memory that is used again when it is free. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { Gathered, type Whole } from '../../src/documents/gathered.ts'
import { endWithBytes } from '../../src/http/listen/headed-bytes.ts'
import { GET, sent, THREE } from '../support/lists-sent.ts'

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

function gathered(...pieces: (Buffer | string)[]): Whole {
  const all = Gathered.behindHead()
  for (const piece of pieces) all.add(piece)
  return all.takeWhole()
}

/** Writes the head of an answer of so many bytes. */
function begin(response: ServerResponse, length: number, more = 'x'): void {
  response.sendDate = false
  response.writeHead(200, ['Server', 'x', 'X-More', more, 'Content-Length', String(length)])
}

const ANSWERS: [string, pieces: (Buffer | string)[], more: string, isOnePiece: boolean][] = [
  ['bytes', [BYTES], 'x', true],
  ['texts and bytes', ['one', BYTES, 'ünï'], 'ä', true],
  ['a chunk that is full', [Buffer.alloc(31_000, 'a'), Buffer.alloc(16_000, 'b')], 'x', true],
  ['more than a chunk', Array(5).fill(Buffer.alloc(20_000, 'c')), 'x', false],
  ['a head for which there is no room', [BYTES], 'y'.repeat(3000), false],
]

for (const [name, pieces, more, isOnePiece] of ANSWERS) {
  t.test(name, async (t) => {
    const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)))
    const wanted = await sent(THREE, true, (_, response) => {
      begin(response, whole.length, more)
      response.end(whole)
    })
    const answer = await sent(THREE, true, (_, response) => {
      begin(response, whole.length, more)
      endWithBytes(response, gathered(...pieces))
    })
    t.equal(answer.text, wanted.text)
    t.equal(answer.lists === 0, isOnePiece)
  })
}

t.test('an answer that waits behind another one is a copy', async (t) => {
  const waiting: ServerResponse[] = []
  const { text } = await sent(THREE, true, (_, response) => {
    waiting.push(response)
    if (waiting.length < 3) return
    for (const [at, each] of waiting.toReversed().entries()) {
      begin(each, 3)
      endWithBytes(each, gathered(`<${2 - at}>`))
    }
  })
  t.same(text.match(/<\d>/g), ['<0>', '<1>', '<2>'])
})

t.test('memory is used again, and nobody has it beside another one', async (t) => {
  const memory = (all: Gathered): ArrayBufferLike => all.reserve(1).bytes.buffer
  const [first, second] = [Gathered.behindHead(), Gathered.behindHead()]
  t.not(memory(first), memory(second))
  const ended = new Set<ArrayBufferLike>()
  await sent(THREE, true, (_, response) => {
    begin(response, 1)
    const body = gathered('x')
    ended.add(body.bytes.buffer)
    endWithBytes(response, body)
  })
  t.equal(ended.size, 1)
  const next = Array.from({ length: 40 }, () => memory(Gathered.behindHead()))
  t.equal(new Set(next).size, next.length)
  t.ok(next.some((each) => ended.has(each)))
})

t.test('what the client does not take at once stays his', async (t) => {
  let kept: ArrayBufferLike | undefined
  const server = createServer((_, response) => {
    begin(response, 30_000)
    const body = gathered(Buffer.alloc(30_000, 'z'))
    t.ok(response.socket?.writableLength === 0, 'no other answer is before it')
    endWithBytes(response, body)
    if (response.writableLength > 0) kept = body.bytes.buffer
    server.emit('answered')
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.pause()
  while (kept === undefined) {
    const answered = once(server, 'answered')
    socket.write(`${GET}\r\n`)
    await answered
    await new Promise((resolve) => setImmediate(resolve))
  }
  const next = Array.from({ length: 40 }, () => Gathered.behindHead().reserve(1).bytes.buffer)
  t.notOk(next.includes(kept))
  socket.destroy()
})
