/**
 * Clients that read a whole database, slowly or not at all, while others write: what the server's process
 * needs for it does not depend on the size of the database. `npm run bench -- scan-memory` does the same with
 * 2 GB and prints its figures.
 */
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { HttpClient } from '../support/http-client.ts'
import {
  fillLargeDatabase,
  growthDuring,
  LARGE_DATABASE,
  largeId,
  scanLargeDatabase,
} from '../support/large-database.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { processMemory, type ServerProcess, startServerProcess } from '../support/server-process.ts'

const MB = 1_000_000
const DATABASE_BYTES = 150 * MB
const PAUSE = { everyBytes: 40 * MB, pauseMs: 200 }
/**
 * Less than the database. The page cache, V8's young generation and the buffers of answers take 50 MB on Node
 * 20 and 90 MB on Node 24; a scan that kept what it sent would need all of the database, and more.
 */
const MOST_GROWTH_BYTES = 125 * MB
const SMALL_CACHE = { DAVENPORT_DAVENPORT__CACHE_BYTES: String(4 * MB) }
const DEAF_CLIENTS = 4
const SAMPLE_MS = 50
const QUIET_SAMPLES = 30
const LISTINGS = [
  '_all_docs?include_docs=true',
  '_changes?include_docs=true',
  '_changes?include_docs=true&feed=continuous&timeout=1',
]

t.setTimeout(300_000)
const skip = process.platform === 'linux' ? false : 'memory is read from /proc'

t.test('scans run in constant memory', { skip }, async (t) => {
  const random = new Random(propertySeed(t))
  const dataDir = t.testdir()
  const start = async (): Promise<{ server: ServerProcess; port: number }> => {
    const server = startServerProcess({ dataDir, environment: SMALL_CACHE })
    t.teardown(() => server.kill())
    return { server, port: await server.port }
  }
  const filling = await start()
  const documents = await fillLargeDatabase(filling.port, DATABASE_BYTES, random)
  t.equal(await filling.server.stop(), 0)

  await t.test('clients that pause', async (t) => {
    const { server, port } = await start()
    await warmUp(port)
    const { growthBytes } = await growthDuring(server, async () => {
      for (const path of LISTINGS) {
        const { lines, bytes } = await scanLargeDatabase(port, path, PAUSE)
        t.ok(lines >= documents && bytes > DATABASE_BYTES, path)
      }
    })
    t.comment(`${growthBytes / MB} MB`)
    t.ok(growthBytes < MOST_GROWTH_BYTES, 'memory')
    t.equal(await server.stop(), 0)
  })

  await t.test('clients that never read, beside one that writes', async (t) => {
    const { server, port } = await start()
    await warmUp(port)
    const deaf = Array.from({ length: DEAF_CLIENTS }, () => new HttpClient(port))
    const { growthBytes } = await growthDuring(server, async () => {
      for (const [number, client] of deaf.entries()) {
        const response = await client.open('GET', `/${LARGE_DATABASE}/${LISTINGS[number % LISTINGS.length]}`)
        response.on('error', () => undefined)
        response.pause()
      }
      await writeAgain(port, documents, random)
      await settled(server)
    })
    t.comment(`${growthBytes / MB} MB`)
    t.ok(growthBytes < MOST_GROWTH_BYTES, 'memory')
    for (const client of deaf) client.close()
    t.equal(await server.stop(), 0)
  })
})

/** What the first requests load is not counted. */
async function warmUp(port: number): Promise<void> {
  const client = new HttpClient(port)
  await client.json('GET', `/${LARGE_DATABASE}`)
  for (const path of LISTINGS)
    await client.json('GET', `/${LARGE_DATABASE}/${path.replace('&feed=continuous', '')}&limit=100`)
  client.close()
}

/** Updates a part of the documents, so that the snapshots of others are left behind. */
async function writeAgain(port: number, documents: number, random: Random): Promise<void> {
  const client = new HttpClient(port)
  for (let round = 0; round < 20; round++) {
    const keys = Array.from({ length: 50 }, () => largeId(random.int(documents)))
    const { rows } = await client.json<{ rows: { id: string; value: { rev: string } }[] }>(
      'POST',
      `/${LARGE_DATABASE}/_all_docs`,
      { keys: [...new Set(keys)] },
    )
    const docs = rows.map(({ id, value }) => ({ _id: id, _rev: value.rev, round }))
    await client.json('POST', `/${LARGE_DATABASE}/_bulk_docs`, { docs })
  }
  client.close()
}

/** Resolves once the process's memory has not grown for a while, or has grown beyond all bounds. */
async function settled(server: ServerProcess): Promise<void> {
  for (let most = 0, quiet = 0; quiet < QUIET_SAMPLES && most < 10 * MOST_GROWTH_BYTES; ) {
    const { residentBytes } = await processMemory(server)
    quiet = residentBytes > most + MB ? 0 : quiet + 1
    most = Math.max(most, residentBytes)
    await delay(SAMPLE_MS)
  }
}
