/**
 * Requests that held the event loop to their end: `_revs_diff` of 100,000 revisions for a second, `If-Match` with 60,000 quotes for
 * seven, since the regular expression that took them off began anew at each of them, and a path of 20,000 invalid bytes, each of
 * which cost an exception.
 */
import { createServer } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { isTurnOver, nextTurn, runInTurns, ShortWork } from '../../src/base/time-slice.ts'
import { parseTarget } from '../../src/http/request/path.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { steppedTime, TurnCounter } from '../support/stepped-time.ts'
import { until } from '../support/until.ts'

const IDS = 30_000
const QUOTES = 60_000
/** Of requests that took seconds each: the test would not come to its end in time. */
const REPEATED = 50

t.test('_revs_diff gives way between its documents', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const lease = await server.server.databases.lease('db')
  t.teardown(() => lease.release())
  const { database } = lease
  const rev = `1-${'a'.repeat(32)}`
  let begun = 0
  const turnsAt: number[] = []
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  const { missingRevs } = database
  database.missingRevs = (id, revs) => {
    if (begun === 0) setImmediate(count)
    begun += 1
    turnsAt.push(turns)
    return missingRevs.call(database, id, revs)
  }
  const wanted = Object.fromEntries(Array.from({ length: IDS }, (_, n) => [`d${n}`, [rev]]))
  const { status, json } = await ask(server, 'POST /db/_revs_diff', { json: wanted })
  isOver = true
  t.equal(status, 200)
  t.equal(Object.keys(json as object).length, IDS)
  t.equal(begun, IDS)
  t.ok(new Set(turnsAt).size > 3, `in ${new Set(turnsAt).size} turns`)
})

t.test('what nobody waits for any more ends', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const lease = await server.server.databases.lease('db')
  t.teardown(() => lease.release())
  const { database } = lease
  const { missingRevs } = database
  let looked = 0
  const socket = connect(server.http.port, '127.0.0.1')
  socket.on('error', () => undefined)
  database.missingRevs = (id, revs) => {
    looked += 1
    if (looked === 1) socket.destroy()
    const end = performance.now() + 1
    while (performance.now() < end);
    return missingRevs.call(database, id, revs)
  }
  const wanted = JSON.stringify(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`d${n}`, []])))
  socket.write(
    `POST /db/_revs_diff HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${wanted.length}\r\n\r\n${wanted}`,
  )
  await until('the request is over', () => server.lines.some((line) => line.includes('_revs_diff')))
  t.ok(looked > 0 && looked < 1000, `${looked} of 1000 were looked up`)
})

t.test('a header of quotes and a path of invalid bytes', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const invalid = `/db/${'%FF%41%C3'.repeat(7000)}`
  for (let i = 0; i < REPEATED; i++) {
    for (const quotes of [`x${'"'.repeat(QUOTES)}x`, '"'.repeat(QUOTES)]) {
      const reply = await ask(server, 'PUT /db/a', { json: {}, headers: { 'if-match': quotes } })
      if (reply.status !== 400) t.fail(`${reply.status}`)
    }
    const { segments } = parseTarget(invalid)
    if (segments[1] !== '\udcffA\udcc3'.repeat(7000)) t.fail('another path')
  }
})

t.test('all long work of a turn shares one slice, and each goes on in its turn', async (t) => {
  const time = steppedTime(t)
  const counter = new TurnCounter()
  const order: number[] = []
  const stepsOfTurn: number[] = []
  function* work(name: number): Generator<void, number, void> {
    for (let step = 0; step < 5; step++) {
      time.advance(1)
      order.push(name)
      stepsOfTurn[counter.turns] = (stepsOfTurn[counter.turns] ?? 0) + 1
      yield
    }
    return name
  }
  const names = [0, 1, 2, 3, 4, 5]
  t.same(await Promise.all(names.map((name) => runInTurns(work(name)))), names)
  counter.stop()
  const [first, ...later] = stepsOfTurn
  t.equal(
    first,
    4 + 5,
    'a slice of 3 ms begins behind the first step, and each other takes the step that it begins with',
  )
  t.ok(later.length > 0 && Math.max(...later) <= 3, `later turns took ${later.join()} steps`)
  t.same(new Set(order.slice(0, 18)), new Set(names), 'nobody is done before all have begun')
})

t.test('short work has its first millisecond, whoever has used up the turn', async (t) => {
  const time = steppedTime(t)
  // No turn of the tests before is open any more.
  await new Promise((resolve) => setImmediate(resolve))
  isTurnOver()
  time.advance(3)
  t.ok(isTurnOver())
  const work = new ShortWork()
  t.notOk(work.isTurnOver())
  time.advance(1)
  t.ok(work.isTurnOver())
  await nextTurn()
})

t.test('who gave way goes on while others do not stop', async (t) => {
  let busy = true
  const hog = (async () => {
    while (busy) {
      const end = performance.now() + 15
      while (performance.now() < end);
      if (isTurnOver()) await nextTurn()
    }
  })()
  const server = createServer((_, response) => response.end('x'))
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as { port: number }
  t.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'x')
  await t.rejects(
    runInTurns(
      (function* () {
        for (;;) yield
      })(),
      () => {
        throw new Error('gone')
      },
    ),
    /gone/,
  )
  busy = false
  await hog
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
