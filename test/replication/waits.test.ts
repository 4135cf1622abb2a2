/** How long a peer is waited for, by a clock that a test moves. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { DocumentChoice, ReplicationError } from '../../src/replication/api.ts'
import type { SourceChanges } from '../../src/replication/endpoint.ts'
import { Connections } from '../../src/replication/http/connections.ts'
import { Peer } from '../../src/replication/http/peer.ts'
import { PeerSource } from '../../src/replication/http/peer-source.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const NOTHING = '{"results":[],"last_seq":"5-a","pending":0}'
const FILTER: DocumentChoice = { kind: 'filter', filter: 'd/f', query: {} }

interface Fixture {
  clock: SimulatedClock
  changes(isWaiting: boolean): Promise<SourceChanges>
  /** Resolves as `work` does; pauses are over as soon as they begin. */
  hurried<T>(work: Promise<T>): Promise<T>
}

async function start(t: Test, choice: DocumentChoice, listener: RequestListener): Promise<Fixture> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clock = new SimulatedClock()
  const connections = new Connections()
  const { port } = server.address() as AddressInfo
  const timeoutMs = 30_000
  const peer = new Peer({
    place: {
      kind: 'remote',
      url: `http://127.0.0.1:${port}/db/`,
      headers: [],
      basic: undefined,
      proxy: undefined,
    },
    connection: connections.open({
      ...{
        proxy: undefined,
        rules: undefined,
        verifiesCertificates: true,
        certificates: undefined,
        timeoutMs,
      },
    }),
    ...{ timeoutMs, retries: 1, connections: 2, clock, userAgent: 'test' },
    random: (bytes) => bytes.fill(0),
  })
  const source = new PeerSource({
    ...{
      peer,
      shown: 'db',
      mostDocumentBytes: 1000,
      choice,
      winningRevsOnly: false,
      useBulkGet: true,
      clock,
    },
  })
  t.teardown(async () => {
    await source.close()
    await connections.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { signal } = new AbortController()
  return {
    clock,
    changes: (isWaiting) => source.changes({ since: '5-a', limit: 10, isWaiting }, signal),
    async hurried(work) {
      let isOver = false
      const over = work.finally(() => {
        isOver = true
      })
      over.catch(() => undefined)
      await until('it is over', () => {
        // Beside the end of a long wait there is a timer for a pause alone.
        if (clock.pending > 1) clock.advance(1000)
        return isOver
      })
      return over
    },
  }
}

t.test('waits that something between ends after a while are no failures in a row', async (t) => {
  for (const waitedMs of [10_000, 9000]) {
    let asked = 0
    const { clock, changes, hurried } = await start(t, { kind: 'all' }, (_request, answer) => {
      asked += 1
      answer.writeHead(200, JSON_TYPE)
      if (asked === 5) {
        answer.end('{"results":[{"id":"a","seq":"6-a","changes":[{"rev":"1-a"}]}],"last_seq":"6-a"}')
        return
      }
      answer.write('\n', () => {
        clock.advance(waitedMs)
        answer.destroy()
      })
    })
    const found = hurried(changes(true))
    if (waitedMs === 10_000) {
      t.match(await found, { lastSeq: '6-a' })
      t.equal(asked, 5)
    } else {
      const failed = await found.catch((error: unknown) => error as ReplicationError)
      t.match(failed, { error: 'http_request_failed' }, 'shorter ones are')
      t.equal(asked, 2)
    }
  }
})

t.test('after a long wait with a filter, how far it went is asked for', async (t) => {
  for (const choice of [FILTER, { kind: 'all' } as const]) {
    const feeds: (string | null)[] = []
    const { clock, changes } = await start(t, choice, (request, answer) => {
      const feed = new URL(request.url!, 'http://a').searchParams.get('feed')
      feeds.push(feed)
      answer.writeHead(200, JSON_TYPE)
      if (feed === 'longpoll') answer.write('\n')
      else answer.end('{"results":[],"last_seq":"9-a","pending":0}')
    })
    const waiting = changes(true)
    await until('it is asked for', () => feeds.length === 1)
    clock.advance(299_000)
    clock.advance(1000)
    const isFiltered = choice.kind === 'filter'
    t.match(await waiting, { changes: [], lastSeq: '5-a', isEnd: !isFiltered })
    t.match(await changes(false), { lastSeq: '9-a', isEnd: true })
    t.strictSame(feeds, ['longpoll', 'normal'])
    t.equal(clock.pending, 0)
  }
})

t.test('a peer that answers at once where it is to wait is not asked all the time', async (t) => {
  let asked = 0
  const { clock, changes, hurried } = await start(t, { kind: 'all' }, (_request, answer) => {
    asked += 1
    answer.writeHead(200, JSON_TYPE).end(NOTHING)
  })
  const startMs = clock.now()
  for (let count = 0; count < 10; count++) await hurried(changes(true))
  t.equal(asked, 10)
  t.ok(clock.now() - startMs > 40_000, `${clock.now() - startMs} ms`)
})

t.test('a filter may be slow, but not for ever', async (t) => {
  const { clock, changes, hurried } = await start(t, FILTER, (_request, answer) => {
    answer.writeHead(200, JSON_TYPE)
    const timer = setInterval(() => {
      clock.advance(60_000)
      answer.write('\n')
    }, 5)
    answer.on('close', () => clearInterval(timer))
  })
  const startMs = clock.now()
  const failed = await hurried(changes(false)).catch((error: unknown) => error as ReplicationError)
  t.match(failed, { error: 'http_request_failed', reason: /took too long/ })
  t.ok(clock.now() - startMs >= 3_600_000)
})
