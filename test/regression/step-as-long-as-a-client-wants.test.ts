/**
 * Work as long as a client wanted it to be was done in one step: a long document copied, a key of very many elements printed, the
 * revisions of `atts_since` read, a body beyond ASCII decoded, the members of an object looked at, fields and names of indexes that
 * were refused told back. Each held up the thread for some tenths of a second.
 */
import t from 'tap'
import { selectorFilter } from '../../src/documents/changes-filter.ts'
import { decodeSteps } from '../../src/json/value-steps.ts'
import { printPlain } from '../../src/selector/errors.ts'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { steppedTime } from '../support/stepped-time.ts'

const server = await startTestServer({ threads: 0 })
t.teardown(() => server.stop())
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n % 10)
const members = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`m${n}`, n]))

t.test('others come in between', async (t) => {
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/long', { json: { numbers: numbers(1_500_000) } })
  const time = steppedTime(t)
  time.lookMs = 1
  const destination = (to: string): Sending => ({ headers: { destination: to } })
  const steps: [string, Sending][] = [
    ['COPY /db/long', destination('copy')],
    ['COPY /db/long', destination('_local/copy')],
    ['COPY /db/_local/copy', destination('again')],
    ['POST /db/_all_docs', { json: { keys: [numbers(200_000)] } }],
    ['POST /db/_bulk_get', { json: { docs: [{ id: 'long', atts_since: Array(60_000).fill('1-a') }] } }],
  ]
  for (const [line, sending] of steps) {
    time.looks = 0
    const { status } = await ask(server, line, sending)
    t.ok(status < 300, `${line}: ${status}`)
    t.ok(time.looks > 50, `${line}: ${time.looks} looks`)
  }
})

t.test('what cannot be done in steps is bounded', async (t) => {
  await ask(server, 'PUT /bounded')
  const tooMany = members(65_537)
  const requests: [string, object][] = [
    ['_all_docs', tooMany],
    ['_all_docs/queries', { queries: [tooMany] }],
    ['_revs_diff', tooMany],
    ['_bulk_get', { docs: [{ id: 'a', ...tooMany }] }],
    ['_changes?filter=_selector', { selector: tooMany }],
    ['_find', { selector: {}, ...tooMany }],
    ['_find', { selector: {}, use_index: Array(200_000).fill('a') }],
    ['_find', { selector: {}, fields: Array(10_001).fill('a') }],
    ['_explain', { selector: {}, fields: Array(10_001).fill('a') }],
    ['_index', { index: { fields: Array(200_000).fill('a') } }],
    ['_changes?filter=_selector', { selector: {}, fields: Array(10_001).fill('a') }],
    ['_bulk_docs', { all_or_nothing: true, docs: Array(10_001).fill({}) }],
  ]
  for (const [path, json] of requests) {
    t.equal((await ask(server, `POST /bounded/${path}`, { json })).status, 413, path)
  }
  const figures = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, { $sum: 'n' }]))
  for (const [count, status] of [
    [100, 200],
    [101, 400],
  ] as const) {
    const json = { selector: {}, aggregate: figures(count) }
    t.equal((await ask(server, 'POST /bounded/_find', { json })).status, status, `${count} figures`)
  }
  t.equal((await ask(server, 'POST /bounded/_all_docs', { json: members(60_000) })).status, 200)
  t.equal((await ask(server, 'POST /bounded/_all_docs', { json: { keys: [tooMany] } })).status, 413)
  t.same(await shown('a'.repeat(5000)), { error: 'invalid_index_name', reason: 'Invalid index name: ...' })
  t.same(await shown('a'), {
    error: 'invalid_index_name',
    reason: 'Invalid index name: [<<97>>,<<97>>,<<97>>]',
  })
})

async function shown(name: string): Promise<unknown> {
  const json = { selector: {}, use_index: [name, name, name] }
  return (await ask(server, 'POST /bounded/_find', { json })).json
}

t.test('a text is decoded in steps, none of which ends within a character', (t) => {
  for (const character of ['a', 'é', '€', '😀']) {
    const text = `x${character.repeat(900_000)}`
    const steps = decodeSteps(Buffer.from(text))
    let count = 0
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) count += 1
    t.equal(step.value, text)
    t.equal(count > 0, character !== 'a', `${character}: ${count} steps`)
  }
  t.equal(printPlain(`"${'x'.repeat(5000)}"`), '...')
  t.throws(() => selectorFilter(() => undefined as never, {}, Array(10_001).fill('a'), 1000), {
    message: /too large/,
  })
  t.end()
})
