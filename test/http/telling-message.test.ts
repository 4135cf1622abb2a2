/** Bodies of requests without the events of a stream. */
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { TellingMessage } from '../../src/http/request/telling-message.ts'

/** What is sent at once, held against what the handler gives back. */
function answered(text: string, handle: (request: TellingMessage) => Promise<string>): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer({ IncomingMessage: TellingMessage }, (request, response) => {
      void handle(request as TellingMessage).then((answer) => response.end(answer))
    })
    server.listen(0, '127.0.0.1', () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      let got = ''
      socket.on('data', (chunk: Buffer) => {
        got += chunk.toString('latin1')
      })
      socket.on('close', () => {
        server.close()
        resolve(got.slice(got.indexOf('\r\n\r\n') + 4))
      })
      socket.write(text)
    })
  })
}

const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n'

async function streamed(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

t.test('a body is told of in the turn that brings it', async (t) => {
  let turns = 0
  const told = await answered(
    `${HEAD}hello`,
    (request) =>
      new Promise((resolve) => {
        setImmediate(() => {
          turns += 1
        })
        let text = ''
        const isTold = request.tell({
          onChunk: (chunk) => {
            text += chunk.toString()
          },
          onEnd: () => resolve(`${text} ${turns}`),
        })
        t.ok(isTold)
      }),
  )
  t.equal(told, 'hello 0')
})

t.test('whoever tells no more leaves the rest to the stream', async (t) => {
  const text = await answered(`${HEAD}hello`, async (request) => {
    t.ok(request.tell({ onChunk: () => t.fail('nobody is told'), onEnd: () => t.fail('nobody is told') }))
    request.untell()
    return streamed(request)
  })
  t.equal(text, 'hello')
})

t.test('nobody is told of a body that the stream has begun with', async (t) => {
  const text = await answered(`${HEAD}hello`, async (request) => {
    await new Promise((resolve) => setImmediate(resolve))
    t.notOk(request.tell({ onChunk: () => t.fail('told'), onEnd: () => t.fail('told') }))
    return streamed(request)
  })
  t.equal(text, 'hello')
})

const BARE = 'GET / HTTP/1.1\r\nHost: x\r\n'
const LAST = 'Connection: close\r\n\r\n'

t.test('the end of a request without a body is told to who reads, whenever that is', async (t) => {
  const ways: ((request: TellingMessage) => Promise<string>)[] = [
    streamed,
    (request) => new Promise((resolve) => request.once('end', () => resolve('')).resume()),
    (request) => new Promise((resolve) => request.once('close', () => resolve('')).resume()),
    (request) => new Promise((resolve) => request.once('end', () => resolve('')).on('data', () => t.fail())),
  ]
  for (const read of ways) {
    for (const turns of [0, 1, 3]) {
      const answer = await answered(`${BARE}${LAST}`, async (request) => {
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
        return `${await read(request)}ended`
      })
      t.equal(answer, 'ended')
    }
  }
})

t.test(
  'requests without bodies that nobody reads: the connection goes on, and no message is kept',
  async (t) => {
    const requests: TellingMessage[] = []
    let ends = 0
    const text = `${BARE}\r\n`.repeat(2) + BARE + LAST
    await answered(text, async (request) => {
      requests.push(request)
      request.once('end', () => {
        ends += 1
      })
      await new Promise((resolve) => setImmediate(resolve))
      t.ok(request.readableEnded)
      return 'x'
    })
    t.equal(requests.length, 3)
    t.equal(ends, 0)
    for (const { socket } of requests)
      t.notOk((socket as { parser?: { incoming?: unknown } }).parser?.incoming)
  },
)

t.test('a body that nobody reads is read before the next request', async (t) => {
  const heads: string[] = []
  const body = HEAD.replace('Connection: close\r\n', '')
  await answered(`${body}hello${BARE}${LAST}`, async (request) => {
    heads.push(request.method!)
    return 'x'
  })
  t.same(heads, ['POST', 'GET'])
})

function told(request: TellingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const isTold = request.tell({
      onChunk: (chunk) => {
        text += chunk.toString()
      },
      onEnd: () => resolve(text),
    })
    if (!isTold) reject(new Error('nobody is told'))
  })
}

t.test(
  'the end of a body that was told is kept: the connection goes on, and who reads then is told',
  async (t) => {
    const kept = HEAD.replace('Connection: close\r\n', '')
    const bodies: string[] = []
    let ends = 0
    await answered(`${kept}hello${kept}again${HEAD}last.`, async (request) => {
      request.once('end', () => {
        ends += 1
      })
      const body = await told(request)
      bodies.push(body)
      await new Promise((resolve) => setImmediate(resolve))
      t.ok(request.readableEnded)
      t.equal(ends, 0)
      if (body === 'last.') t.equal(await streamed(request), '')
      return 'x'
    })
    t.same(bodies, ['hello', 'again', 'last.'])
    t.equal(ends, 1)
  },
)
