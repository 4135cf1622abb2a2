/**
 * A selector could hold the server for as long as it liked: `^(a+)+$` over 200 texts of 40 characters took 46 s in one turn of
 * the event loop, 200 ms a text and 256 rows without a turn; a document of some million levels took nine seconds. Patterns that
 * explode without `*` and `+` were not watched at all, and forty times `(a?)` before forty times `a` took seconds to be
 * compiled, which nothing can interrupt.
 */
import t, { type Test } from 'tap'
import { besideHostile } from '../support/hostile-run.ts'
import { HttpClient } from '../support/http-client.ts'
import { startServerProcess } from '../support/server-process.ts'

const DOCUMENTS = 200
/** Far from what they took, and from what a loaded machine makes of a few milliseconds. */
const MOST_MS = 5000

/** A server of its own, and a client of it. */
async function serve(t: Test, environment: Record<string, string> = {}) {
  const server = startServerProcess({ dataDir: t.testdir(), environment })
  t.teardown(() => server.kill())
  const port = await server.port
  const client = new HttpClient(port)
  t.teardown(() => client.close())
  return { port, client }
}

const { port, client } = await serve(t)

t.test('patterns that would explode are matched, or end their request with 400', async (t) => {
  await client.json('PUT', '/texts')
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: `d${n}`, t: `${'a'.repeat(39)}b` }))
  await client.json('POST', '/texts/_bulk_docs', { docs })
  for (const [pattern, status] of [
    ['^(a+)+$', 200],
    ['^(a|a)*$', 200],
    ['^(a|aa)+$', 200],
    [`${'(a?)'.repeat(60)}${'a'.repeat(60)}$`, 200],
    ['^(?=a)(a+)+$', 400],
    ['^((a+)+)\\1$', 400],
  ] as const) {
    const selector = { t: { $regex: pattern } }
    const { outcome, longestWaitMs } = await besideHostile(port, () =>
      client.send('POST', '/texts/_changes?filter=_selector', { selector }),
    )
    t.equal(outcome.status, status, pattern)
    t.match(JSON.parse(outcome.text), status === 200 ? { results: [] } : { error: 'selector_timeout' })
    t.ok(longestWaitMs < MOST_MS, `another client waited ${longestWaitMs} ms`)
  }
  const harmless = await client.json<{ results: object[] }>('POST', '/texts/_changes?filter=_selector', {
    selector: { t: { $regex: '^a+b$' } },
  })
  t.equal(harmless.results.length, DOCUMENTS, 'any other pattern sees every document')
})

t.test('the budget of a request is a setting', async (t) => {
  const { client } = await serve(t, { DAVENPORT_DAVENPORT__SELECTOR_BUDGET_MS: '20' })
  await client.json('PUT', '/db')
  // However quick the machine is, they take several times the budget, and however slow it is, they are refused.
  const list = Array.from({ length: 200_000 }, (_, n) => n)
  const docs = Array.from({ length: 15 }, (_, n) => ({ _id: `d${n}`, list }))
  await client.json('POST', '/db/_bulk_docs', { docs })
  const selector = { list: { $elemMatch: { $lt: 0 } } }
  const reply = await client.send('POST', '/db/_changes?filter=_selector', { selector })
  t.equal(reply.status, 400)
  t.match(JSON.parse(reply.text), { error: 'selector_timeout', reason: /used up|one document/ })
  const few = { selector: { list: { $exists: true } } }
  const { results } = await client.json<{ results: object[] }>('POST', '/db/_changes?filter=_selector', few)
  t.equal(results.length, 15)
})

t.test('deep and long documents are looked at in slices', async (t) => {
  await client.json('PUT', '/deep')
  const levels = 200_000
  await client.json('PUT', '/deep/deep', `{"v":${'['.repeat(levels)}${']'.repeat(levels)}}`)
  await client.json('PUT', '/deep/long', `{"v":[${'{},'.repeat(1_200_000)}0]}`)
  const body = { selector: { v: { $exists: true } }, fields: ['v'] }
  const { outcome, answers } = await besideHostile(port, () =>
    client.send('POST', '/deep/_changes?filter=_selector&include_docs=true', body),
  )
  t.equal(outcome.status, 200)
  t.ok(outcome.text.includes('['.repeat(levels)), 'the deep one is shown whole')
  t.ok(answers > 3, `another client got ${answers} answers meanwhile`)
})

t.test('a feed that hides all of its rows gives way', async (t) => {
  // Time that other programs take counts, too: all of the rows are to be looked at on a busy machine.
  const { port, client } = await serve(t, { DAVENPORT_DAVENPORT__SELECTOR_BUDGET_MS: '120000' })
  await client.json('PUT', '/rows')
  const list = Array.from({ length: 700 }, (_, n) => n)
  for (let n = 0; n < 3; n++) {
    const docs = Array.from({ length: 400 }, (_, at) => ({ _id: `d${n}-${at}`, list }))
    await client.json('POST', '/rows/_bulk_docs', { docs })
  }
  const { outcome, answers } = await besideHostile(port, () =>
    client.send('POST', '/rows/_changes?filter=_selector', {
      selector: { list: { $elemMatch: { $lt: 0 } } },
    }),
  )
  t.match(JSON.parse(outcome.text), { results: [] }, outcome.text.slice(0, 300))
  t.ok(answers > 1, `another client got ${answers} answers meanwhile`)
})
