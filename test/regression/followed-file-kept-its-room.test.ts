/**
 * A thread that had a database open and nothing to do with it kept the file that a compaction had replaced, and its room on
 * the disk, until somebody asked that thread for the database.
 */
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { HttpClient } from '../support/http-client.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const THREADS = 2

const skip = process.platform !== 'linux' && 'open files are read from /proc'

/** How many descriptors lead to the database's file as it is now, and to one that it had before. */
async function descriptorsOf(folder: string): Promise<{ present: number; replaced: number }> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(join('/proc/self/fd', fd)).catch(() => '')),
  )
  const path = join(folder, 'databases', 'db.davenport')
  const count = (wanted: string): number => links.filter((link) => link === wanted).length
  return { present: count(path), replaced: count(`${path} (deleted)`) }
}

t.test('fronts without requests go on with the new file', { skip }, async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const clients = Array.from({ length: 8 * THREADS }, () => new HttpClient(server.http.port))
  const [client] = clients
  await client!.json('PUT', '/db')
  await client!.json('PUT', '/db/a', { v: 1 })
  for (const each of clients) await each.json('GET', '/db/a')
  const { present: holders } = await descriptorsOf(server.folder)
  t.ok(holders > 1, 'the writer has it, and a front')
  await client!.send('POST', '/db/_compact', {})
  // A replaced file is closed when nobody has read it for a minute; until then it is there beside the new one.
  await until('all of them have it', async () => {
    const { present, replaced } = await descriptorsOf(server.folder)
    return present === holders && replaced === holders
  })
  t.match(await client!.json('GET', '/db/a'), { v: 1 })
})
