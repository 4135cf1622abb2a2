/**
 * The server's own process is killed while clients write, again and again on one data folder. What it
 * acknowledged is there afterwards, and nothing is there by half: see `test/support/written-documents.ts`.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import { TREE_OPTIONS } from '../../src/database/open.ts'
import { HttpClient } from '../support/http-client.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { startServerProcess } from '../support/server-process.ts'
import { DatabaseMaker, WritingClient } from '../support/writing-clients.ts'
import { WrittenDocuments } from '../support/written-documents.ts'

const KILLS = 20
const CLIENTS = 8
const DATABASE = 'written'
const MOST_LOAD_MS = 400
const MOST_START_MS = 500
const SHOWN_PROBLEMS = 5
/** A small cache makes small checkpoints: kills hit many of them. */
const SMALL_CACHE = { DAVENPORT_DAVENPORT__CACHE_BYTES: String(1024 * 1024) }

t.setTimeout(300_000)
const random = new Random(propertySeed(t))
const dataDir = t.testdir()
const documents = new WrittenDocuments(DATABASE)
const maker = new DatabaseMaker(random.fork())
const writers = Array.from(
  { length: CLIENTS },
  (_, number) => new WritingClient(`client${number}`, DATABASE, documents, random.fork()),
)

function start() {
  const server = startServerProcess({ dataDir, environment: SMALL_CACHE })
  t.teardown(() => server.kill())
  return server
}

/** Everything that a server shows, against what its clients know: the first few differences. */
async function compare(port: number): Promise<string[]> {
  const client = new HttpClient(port)
  try {
    const problems = [...(await documents.compare(client)), ...(await maker.compare(client))]
    return problems.slice(0, SHOWN_PROBLEMS).map((problem) => problem.replace(/x{9,}/g, 'x...'))
  } finally {
    client.close()
  }
}

/** Writes until `end` has ended the server. */
async function loadUntil(port: number, end: () => Promise<unknown>): Promise<void> {
  const load = [...writers.map((writer) => writer.writeUntilCut(port)), maker.makeUntilCut(port)]
  await Promise.all([Promise.all(load), delay(random.int(MOST_LOAD_MS)).then(end)])
}

/** What the file of the database holds, read as the ended process left it. */
async function problemsOfFile(): Promise<unknown[]> {
  const path = join(dataDir, 'databases', `${DATABASE}.davenport`)
  const store = await openStore(path, { readOnly: true, trees: TREE_OPTIONS })
  const { problems } = await store.check()
  await store.close()
  return problems
}

t.test(`${KILLS} kills lose nothing`, async (t) => {
  const first = start()
  const client = new HttpClient(await first.port)
  await client.json('PUT', `/${DATABASE}`)
  client.close()
  await first.kill()
  for (let round = 1; round <= KILLS; round++) {
    if (random.bool(0.2)) {
      const unready = start()
      await delay(random.int(MOST_START_MS))
      await unready.kill()
    }
    const server = start()
    const port = await server.port
    t.same(await compare(port), [], `before round ${round}`)
    await loadUntil(port, () => server.kill())
    t.same(await problemsOfFile(), [], `the file after kill ${round}`)
  }
  const { acknowledged, found, missing, size } = documents
  t.comment(`${acknowledged} writes of ${size} documents; of those in doubt ${found} done, ${missing} not`)
})

t.test('a clean stop loses nothing', async (t) => {
  const server = start()
  const port = await server.port
  t.same(await compare(port), [])
  await loadUntil(port, async () => t.equal(await server.stop(), 0))
  t.same(await problemsOfFile(), [])
  const again = start()
  t.same(await compare(await again.port), [])
  t.equal(await again.stop(), 0)
})
