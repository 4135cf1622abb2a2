/**
 * Two servers in processes of their own, which replicate both ways through a peer that fails, while either of them is killed at random,
 * and PouchDB as a third peer: all ends with equal trees. What was sent is counted: a revision goes over again only where a fault or a
 * kill came between, and none goes back to where it comes from.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { loadPouchDb, type Pouch } from '../support/pouchdb.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { call, FAULTS, type Reply, startFaultyProxy, treesDigest } from '../support/replicated.ts'
import { ADMIN, type ServerProcess, startServerProcess } from '../support/server-process.ts'

t.setTimeout(0)

const ROUNDS = 3
const BATCH = 20
const WORKERS = 4
const MOST_LOAD_MS = 400
const LONG_BYTES = 50 * 1024 * 1024
const LENGTHS = [0, 1, 1000, 70_000, 2_000_000]

const ENVIRONMENT = {
  DAVENPORT_DAVENPORT__THREADS: process.env['DAVENPORT_TEST_THREADS'] ?? '0',
  DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: String(BATCH),
  DAVENPORT_REPLICATOR__WORKER_PROCESSES: String(WORKERS),
  DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '10',
  DAVENPORT_REPLICATOR__CHECKPOINT_INTERVAL: '500',
}

/** A server that is started again on the same folder. */
class Site {
  readonly #dataDir: string
  #process: ServerProcess | undefined
  port = 0

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  get url(): string {
    return `http://${ADMIN}@127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    this.#process = startServerProcess({ dataDir: this.#dataDir, environment: ENVIRONMENT })
    this.port = await this.#process.port
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }
}

/** One that does not fail because its server is gone: undefined then. */
async function attempt(
  url: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Reply | undefined> {
  try {
    return await call(url, method, path, body)
  } catch {
    return undefined
  }
}

async function attach(url: string, path: string, bytes: Uint8Array): Promise<boolean> {
  const { origin, username, password } = new URL(url)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/octet-stream' }
  try {
    const answer = await fetch(origin + path, { method: 'PUT', headers, body: Buffer.from(bytes) })
    await answer.text()
    return answer.status === 201
  } catch {
    return false
  }
}

/** Writes to ids that the other side writes to as well, until its server is gone or the time is over. */
async function load(
  site: Site,
  database: string,
  side: string,
  random: Random,
  isOver: () => boolean,
): Promise<void> {
  const { url } = site
  while (!isOver()) {
    const ids = Array.from({ length: 12 }, () => `doc-${random.int(150)}`)
    const found = await attempt(url, 'POST', `/${database}/_all_docs`, { keys: [...new Set(ids)] })
    if (found === undefined) return
    const rows = (found.body['rows'] ?? []) as { key: string; value?: { rev: string } }[]
    const docs = rows.map(({ key, value }) => ({
      _id: key,
      kind: 'small',
      side,
      number: random.next(),
      ...(value === undefined ? {} : { _rev: value.rev, ...(random.bool(0.2) ? { _deleted: true } : {}) }),
    }))
    if ((await attempt(url, 'POST', `/${database}/_bulk_docs`, { docs })) === undefined) return
    const length = LENGTHS[random.int(LENGTHS.length)]!
    const id = `attached-${side}-${random.next()}`
    if (!(await attach(url, `/${database}/${id}/a`, random.bytes(length)))) return
    await sleep(20)
  }
}

t.test('killed at random they end with equal trees, and send nothing twice without need', async (t) => {
  const random = new Random(propertySeed(t))
  const folder = t.testdir({ own: {}, peer: {} })
  const [own, peer] = [new Site(`${folder}/own`), new Site(`${folder}/peer`)]
  await Promise.all([own.start(), peer.start()])
  let isFaulty = true
  const faults = random.fork()
  const proxy = await startFaultyProxy(
    () => peer.port,
    (_method, path) =>
      isFaulty && !path.startsWith('/_session') && faults.bool(0.2)
        ? FAULTS[faults.int(FAULTS.length)]!
        : 'none',
  )
  const PouchDB = await loadPouchDb()
  const pouch: Pouch = new PouchDB(`kills-${random.seed}`, { adapter: 'memory' })
  t.teardown(async () => {
    await proxy.stop()
    await Promise.all([own.kill(), peer.kill()])
    await pouch.destroy()
  })
  await call(own.url, 'PUT', '/own')
  await call(peer.url, 'PUT', '/peer')
  const remote = `${proxy.url.replace('://', `://${ADMIN}@`)}/peer`
  for (const [id, source, target] of [
    ['push', 'own', remote],
    ['pull', remote, 'own'],
  ] as const) {
    const made = await call(own.url, 'PUT', `/_replicator/${id}`, { source, target, continuous: true })
    t.equal(made.status, 201, JSON.stringify(made.body))
  }
  // Edits of both sides meet only where the machine is quick enough; these do in any case.
  for (const [site, path, digit] of [
    [own, '/own/forked', '1'],
    [peer, '/peer/forked', '2'],
  ] as const) {
    const made = await call(site.url, 'PUT', `${path}?new_edits=false`, {
      _rev: `1-${digit.repeat(32)}`,
      kind: 'small',
    })
    t.equal(made.status, 201, JSON.stringify(made.body))
  }
  t.ok(await attach(own.url, '/own/long/a', Buffer.alloc(LONG_BYTES, `${random.next()}`)))

  let kills = 0
  for (let round = 0; round < ROUNDS; round++) {
    let isOver = false
    const loads = [
      load(own, 'own', 'own', random.fork(), () => isOver),
      load(peer, 'peer', 'peer', random.fork(), () => isOver),
    ]
    await pouch.bulkDocs(
      Array.from({ length: 10 }, (_, n) => ({ _id: `pouch-${round}-${n}`, kind: 'small', n: random.next() })),
    )
    await sleep(100 + random.int(MOST_LOAD_MS))
    const victim = random.bool(0.5) ? own : peer
    await victim.kill()
    kills += 1
    isOver = true
    await Promise.all(loads)
    await victim.start()
    const there: Pouch = new PouchDB(`${peer.url}/peer`)
    await pouch.replicate.to(there)
    await pouch.replicate.from(there, { selector: { kind: 'small' } })
    // Whoever is third makes conflicts, too.
    const { rows } = await pouch.allDocs({ limit: 5 })
    for (const { id } of rows) await pouch.put({ ...(await pouch.get(id)), side: 'pouch', n: random.next() })
  }
  await pouch.replicate.to(new PouchDB(`${peer.url}/peer`))

  const areEqual = async (): Promise<boolean> => {
    const [a, b] = await Promise.all([treesDigest(own.url, 'own'), treesDigest(peer.url, 'peer')])
    return a === b
  }
  await eventually('equal trees', areEqual)
  const { body } = await call(own.url, 'GET', '/own/_all_docs?keys=%5B%22long%22%5D&include_docs=true')
  t.match(body, { rows: [{ doc: { _attachments: { a: { length: LONG_BYTES } } } }] })
  const changes = await call(own.url, 'GET', '/own/_changes?style=all_docs')
  const forked = (changes.body['results'] as { changes: unknown[] }[]).filter(
    ({ changes: leaves }) => leaves.length > 1,
  )
  t.ok(forked.length > 0, 'there were conflicts')
  const there: Pouch = new PouchDB(`${peer.url}/peer`)
  await pouch.replicate.from(there, { selector: { kind: 'small' } })
  const known = new Map((changes.body['results'] as Row[]).map((row) => [row.id, revsOf(row)]))
  const { results } = await pouch.changes({ style: 'all_docs', since: 0 })
  const unknown = results.filter((row) => !revsOf(row).every((rev) => known.get(row.id)?.includes(rev)))
  t.same(unknown, [], 'the third peer has the same')

  const isWrite = (path: string): boolean => /_bulk_docs|new_edits=false/.test(path)
  const failed = proxy.requests.filter(
    ({ path, fault }) => isWrite(path) && fault !== 'none' && fault !== 'delay',
  ).length
  const repeated = proxy.sent.length - new Set(proxy.sent).size
  t.comment(`${proxy.sent.length} sent, ${repeated} again after ${failed} faults and ${kills} kills`)
  t.ok(repeated <= failed * BATCH + kills * WORKERS * BATCH, `${repeated} sent again`)

  // What both sides agreed on is not looked at again, and what is new goes over once.
  isFaulty = false
  await settled(proxy.requests)
  await own.kill()
  const [requests, sent] = [proxy.requests.length, proxy.sent.length]
  await own.start()
  await call(own.url, 'POST', '/own/_bulk_docs', {
    docs: Array.from({ length: 7 }, (_, n) => ({ _id: `last-${n}`, n })),
  })
  await call(peer.url, 'PUT', '/peer/last-peer', {})
  await eventually('equal trees', areEqual)
  t.equal(proxy.sent.length - sent, 7, 'each once')
  const read = proxy.requests.slice(requests).filter(({ path }) => path.includes('/_changes'))
  t.ok(read.length > 0)
  t.notOk(
    read.some(({ path }) => /[?&]since=0(&|$)/.test(path)),
    'it goes on from the checkpoint',
  )
})

interface Row {
  id: string
  changes: { rev: string }[]
}

function revsOf({ changes }: Row): string[] {
  return changes.map(({ rev }) => rev)
}

/** The last checkpoints have been written: nothing is asked for any more but what waits. */
async function settled(requests: readonly unknown[]): Promise<void> {
  for (let before = -1; before !== requests.length; ) {
    before = requests.length
    await sleep(1500)
  }
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 600; left > 0; left--) {
    if (await condition()) return
    await sleep(100)
  }
  throw new Error(`it never came to pass: ${what}`)
}
