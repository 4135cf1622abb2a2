/** What `POST /_replicate` asks for has its turns among what documents do. */
import t, { type Test } from 'tap'
import { FakeReplications } from '../support/fake-replications.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

interface Fixture {
  server: TestServer
  fake: FakeReplications
}

async function start(t: Test, config: Record<string, string>): Promise<Fixture> {
  const fake = new FakeReplications()
  const server = await startTestServer({ replications: fake, config })
  server.server.replications.runIn(fake)
  t.teardown(() => server.stop())
  return { server, fake }
}

function wish(target: string, rest: Record<string, unknown> = {}): Record<string, unknown> {
  return { source: 'http://a.test/db', target: `http://b.test/${target}`, ...rest }
}

function replicate({ server }: Fixture, json: Record<string, unknown>): Promise<Reply> {
  return ask(server, 'POST /_replicate', { json })
}

interface ShownJob {
  id: string
  pid: string | null
  doc_id: string | null
  target: string
  history: { type: string; reason?: string }[]
}

async function jobs({ server }: Fixture): Promise<ShownJob[]> {
  return ((await ask(server, 'GET /_scheduler/jobs')).json as { jobs: ShownJob[] }).jobs
}

async function jobOf(fixture: Fixture, target: string): Promise<ShownJob | undefined> {
  return (await jobs(fixture)).find((job) => job.target === `http://b.test/${target}/`)
}

function runningTargets({ fake }: Fixture): string[] {
  return fake.running.map(({ job }) => (job.target as { url: string }).url.split('/')[3]!).sort()
}

t.test('max_jobs counts them, and what waits begins when there is room, or is cancelled', async (t) => {
  const fixture = await start(t, { DAVENPORT_REPLICATOR__MAX_JOBS: '2' })
  const { server, fake } = fixture
  await ask(server, 'PUT /_replicator/a', { json: wish('document', { continuous: true }) })
  await until("a document's runs", () => fake.running.length === 1)
  t.equal((await replicate(fixture, wish('endless', { continuous: true }))).status, 202)
  t.strictSame(runningTargets(fixture), ['document', 'endless'])

  const first = replicate(fixture, wish('first'))
  const second = replicate(fixture, wish('second'))
  await until('both wait', async () => (await jobs(fixture)).length === 4)
  t.match(await jobOf(fixture, 'first'), { pid: null, doc_id: null, history: [{ type: 'added' }] })
  t.equal(fake.begun.length, 2)
  t.equal((await replicate(fixture, wish('second', { cancel: true }))).status, 200)
  t.strictSame((await second).json, { ok: 'stopped' })

  t.equal((await replicate(fixture, wish('endless', { continuous: true, cancel: true }))).status, 200)
  await until('its place is taken', () => runningTargets(fixture).includes('first'))
  t.strictSame(runningTargets(fixture), ['document', 'first'])
  t.match(await jobOf(fixture, 'first'), { pid: /^</, history: [{ type: 'started' }, { type: 'added' }] })
  fake.running[1]!.complete()
  t.match((await first).json, { ok: true, session_id: 'a' })
  t.equal((await jobs(fixture)).length, 1)

  const again = replicate(fixture, wish('first')).catch(() => undefined)
  await until('it may be asked for again', () => runningTargets(fixture).includes('first'))
  await server.stop()
  t.equal(fake.running.length, 0)
  await again
})

t.test('continuous ones are stopped for others, and begun again', async (t) => {
  const fixture = await start(t, {
    DAVENPORT_REPLICATOR__MAX_JOBS: '1',
    DAVENPORT_REPLICATOR__INTERVAL: '20',
  })
  for (const target of ['a', 'b']) await replicate(fixture, wish(target, { continuous: true }))
  await ask(fixture.server, 'PUT /_replicator/c', { json: wish('c', { continuous: true }) })
  const turns = (target: string): number =>
    fixture.fake.begun.filter(({ job }) => (job.target as { url: string }).url.includes(`/${target}/`)).length
  await until('each has had turns', () => ['a', 'b', 'c'].every((target) => turns(target) > 1))
  t.ok(fixture.fake.running.length <= 1)
  t.equal((await jobs(fixture)).length, 3)
})

t.test('what fails is gone, or rests where it is continuous and may do better', async (t) => {
  const fixture = await start(t, {})
  const { server, fake } = fixture
  const once = replicate(fixture, wish('once'))
  await until('it runs', () => fake.running.length === 1)
  fake.running[0]!.fail('db_not_found', 'no such one')
  const { status, json } = await once
  t.equal(status, 500)
  t.strictSame(json, { error: 'db_not_found', reason: 'no such one' })
  t.strictSame(await jobs(fixture), [])

  await replicate(fixture, wish('wrong', { continuous: true }))
  fake.running[0]!.fail('forbidden', 'not you', false)
  await until('it is gone', async () => (await jobs(fixture)).length === 0)
  t.match(server.lines.join('\n'), /failed for good.*not you/)

  await replicate(fixture, wish('later', { continuous: true }))
  fake.running[0]!.fail('http_request_failed', 'nobody there')
  await until('it rests', async () => (await jobOf(fixture, 'later'))?.pid === null)
  t.match(await jobOf(fixture, 'later'), { history: [{ type: 'crashed', reason: /nobody there/ }, {}, {}] })
  t.equal((await replicate(fixture, wish('later', { continuous: true, cancel: true }))).status, 200)
  t.strictSame(await jobs(fixture), [])
})

t.test("what a document's job does already is not done twice", async (t) => {
  const fixture = await start(t, {})
  await ask(fixture.server, 'PUT /_replicator/a', { json: wish('a', { continuous: true }) })
  await until('it runs', () => fixture.fake.running.length === 1)
  const { status, json } = await replicate(fixture, wish('a', { continuous: true }))
  t.equal(status, 409)
  t.match(json, { error: 'duplicate_job' })
  t.equal(fixture.fake.begun.length, 1)
})
