/**
 * A listing that was ended after its head, before its first row, left its snapshot open for good: the head was given out
 * before the part that frees it, and a generator that was never started passes no `return()` on to the rows that it would
 * have read. Here every kind of streamed answer is ended at every stage, and no snapshot may be left.
 */
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import { openStore, type Store } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { UNASKED } from '../../src/base/metrics.ts'
import { loadConfig } from '../../src/config/load.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import type { Database } from '../../src/database/api/database.ts'
import { createDatabase } from '../../src/database/open.ts'
import type { StreamedAnswer } from '../../src/http/answer/answer.ts'
import { Exchange, type Service } from '../../src/http/request/exchange.ts'
import { limitsOf } from '../../src/http/request/options.ts'
import { parseTarget } from '../../src/http/request/path.ts'
import { Query } from '../../src/http/request/query.ts'
import { endpointsOf, resolve } from '../../src/http/request/resolve.ts'
import { resources } from '../../src/http/routes/index.ts'
import { handlerOf } from '../../src/http/routes/resource.ts'
import { edit, purgeOf } from '../support/database-fixture.ts'
import { recordingLog } from '../support/recording-log.ts'

const LINES: readonly (readonly [line: string, body?: object])[] = [
  ['GET /db/_all_docs'],
  ['GET /db/_all_docs?include_docs=true&limit=2'],
  ['GET /db/_all_docs?keys=["a","none"]'],
  ['GET /db/_all_docs?descending=true&startkey="x"'],
  ['POST /db/_all_docs/queries', { queries: [{}, { limit: 1 }, { keys: ['a', 'b'] }] }],
  ['GET /db/_design_docs'],
  ['GET /db/_local_docs'],
  ['GET /db/_local_docs?keys=["_local/l"]'],
  ['GET /db/_changes'],
  ['GET /db/_changes?include_docs=true&descending=true'],
  ['GET /db/_changes?filter=_design'],
  ['POST /db/_changes?filter=_selector', { selector: { v: 1 } }],
  ['GET /db/_changes?feed=longpoll&timeout=1'],
  ['GET /db/_changes?feed=longpoll&timeout=1&since=now'],
  ['GET /db/_changes?feed=continuous&timeout=1'],
  ['GET /db/_changes?feed=eventsource&timeout=1'],
  ['POST /db/_bulk_get', { docs: [{ id: 'a' }, { id: 'none' }, { id: 'b' }] }],
  ['GET /db/_purged_infos'],
  ['GET /db/a?open_revs=all'],
]
/** Pieces of an answer are never so many here. */
const MOST_PIECES = 200

/** The request's answer, by the handler of its route. */
async function answerOf(database: Database, line: string, body?: object): Promise<StreamedAnswer> {
  const [method, target] = line.split(' ') as [string, string]
  const { segments, query } = parseTarget(encodeURI(target))
  const place = resolve(endpointsOf(resources), method, segments)
  const lease = { database, signal: new AbortController().signal, release: () => undefined }
  const settings = new SettingsRegistry(loadConfig({}), recordingLog().log)
  const backend = {
    settings,
    databases: {
      leaseOpen: () => lease,
      lease: async () => lease,
      watch: () => () => undefined,
    },
    random: (bytes: Uint8Array) => bytes.fill(7),
    clock: systemClock,
    metrics: UNASKED,
  }
  const service = {
    options: { backend },
    limits: limitsOf(settings),
    stopping: new AbortController().signal,
  } as unknown as Service
  const request = { headers: { 'content-type': 'application/json' } } as IncomingMessage
  const response = Object.assign(new EventEmitter(), { destroyed: false }) as unknown as ServerResponse
  const arrival = { method, place, query: new Query(query), malformed: false }
  const exchange = new Exchange(service, request, response, arrival, 'id')
  exchange.body = async () => Buffer.from(JSON.stringify(body))
  await exchange.openDatabase()
  const resource = resources.find(({ route }) => route === place.route)!
  const answer = await handlerOf(resource, method)(exchange)
  if (answer.kind !== 'streamed') throw new Error(`${line} is no stream: ${answer.status}`)
  return answer
}

t.test('no snapshot is left, wherever an answer ends', async (t) => {
  const stores: Store[] = []
  const database = await createDatabase(`${t.testdir()}/a`, 'db', {
    openStore: async (path, options) => {
      const store = await openStore(path, options)
      stores.push(store)
      return store
    },
  })
  t.teardown(() => database.close())
  for (const id of ['_design/d', 'a', 'b', 'c']) await database.update([edit(id, { v: 1 })])
  await database.putLocal('l', Buffer.from('{}'), undefined)
  await database.purge([purgeOf('c', [database.get('c').rev])])
  const open = (): number => stores.reduce((sum, store) => sum + store.stats().openSnapshots, 0)
  t.equal(open(), 0)
  for (const [line, body] of LINES) {
    let isDone = false
    let stage = 0
    for (; !isDone && stage < MOST_PIECES; stage++) {
      const { pieces } = await answerOf(database, line, body)
      for (let taken = 0; taken < stage && !isDone; taken++) isDone = (await pieces.next()).done === true
      await pieces.return?.()
      if (open() !== 0) t.fail(`${line}: ${open()} snapshots are open after ${stage} pieces`)
    }
    t.ok(isDone && stage > 2, `${line}: ended at ${stage} stages`)
  }
})
