/**
 * Requests of every shape against a live server on a real socket. Invariants:
 * - No answer is a 500; every failure is a JSON object with `error` and `reason`.
 * - Every request is answered, within seconds.
 * - The server answers the next one: what a client may send harms nobody else.
 *
 * The server lives as long as the run and has the machine's time: a failure may need the requests before it.
 */
import { connect } from 'node:net'
import fc from 'fast-check'
import { ask } from '../../test/support/http-request.ts'
import { startTestServer, type TestServer } from '../../test/support/http-server.ts'
import { mutate, mutation } from '../../test/support/json-expectation.ts'
import type { Random } from '../../test/support/random.ts'
import { prepareServer, randomRequest, sendRandom } from '../../test/support/random-requests.ts'
import type { Script } from '../script.ts'
import type { Target } from '../target.ts'

const ANSWER_MS = 10_000
/** After this long without an answer a request that may not be whole is ended. */
const PATIENCE_MS = 100

const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 })

function draw<T>(arbitrary: fc.Arbitrary<T>, random: Random): T {
  return fc.sample(arbitrary, { numRuns: 1, seed: random.next() | 0 })[0]!
}

/** Bytes on a connection of their own: the answer's status, or undefined when it was closed without one. */
function sendBytes(server: TestServer, bytes: Buffer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.http.port, '127.0.0.1')
    let text = ''
    // The server drops a request whose sender has ended its side, so this waits for an answer first.
    const patience = setTimeout(() => socket.end(), PATIENCE_MS)
    const limit = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end of ${JSON.stringify(bytes.toString('latin1'))}`))
    }, ANSWER_MS)
    const finish = () => {
      clearTimeout(patience)
      clearTimeout(limit)
      socket.destroy()
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]
      resolve(status === undefined ? undefined : Number(status))
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', finish)
    socket.on('close', finish)
    socket.write(bytes)
  })
}

function rawRequest(server: TestServer, body: Buffer): Buffer {
  const head = [
    'POST /db/_bulk_docs HTTP/1.1',
    'Host: localhost',
    `Authorization: ${server.authorization}`,
    'Content-Type: application/json',
    'Connection: close',
    `Content-Length: ${body.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

/** A request to store documents, its body or all of it changed at random. */
function mutatedRequest(server: TestServer, random: Random): Buffer {
  const docs = [
    { _id: 'raw', v: random.int(9) },
    { _id: '_local/raw', n: [1, 2.5, 'é'] },
  ]
  const body = Buffer.from(JSON.stringify({ docs }))
  const changes = draw(mutations, random)
  if (random.bool(0.7)) return rawRequest(server, changes.reduce(mutate, body))
  return changes.reduce(mutate, rawRequest(server, body))
}

async function withinSeconds<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer to ${what}`)), ANSWER_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

async function play(server: TestServer, script: Script): Promise<void> {
  const { coverage } = script
  await prepareServer(server)
  for (const random of script.events()) {
    if (random.bool(0.2)) {
      const bytes = mutatedRequest(server, random)
      const status = await sendBytes(server, bytes)
      if (status === 500) throw new Error(`defect: ${server.lines.at(-1)}`)
      coverage.count(status === undefined ? 'closedWithoutAnswer' : `rawAnswers${Math.floor(status / 100)}xx`)
    } else {
      const request = draw(randomRequest, random)
      const reply = await withinSeconds(sendRandom(server, request), JSON.stringify(request))
      if (reply !== undefined) coverage.count(`answers${Math.floor(reply.status / 100)}xx`)
    }
    const next = await withinSeconds(ask(server, 'GET /db'), 'GET /db')
    if (next.status !== 200)
      throw new Error(`the next request was answered with ${next.status}: ${next.text}`)
  }
}

export const httpBodies: Target = {
  name: 'http-bodies',
  summary: 'random and mutated requests against a live server: no defect, no hang, the next one is served',
  caseEvents: 200,
  smokeEvents: 800,
  repeats: false,
  rarePaths: ['answers2xx', 'answers4xx', 'rawAnswers2xx', 'rawAnswers4xx'],
  open: async () => {
    const server = await startTestServer({ limits: { feedTimeoutMs: 20 } })
    return { play: (script) => play(server, script), close: () => server.stop() }
  },
}
