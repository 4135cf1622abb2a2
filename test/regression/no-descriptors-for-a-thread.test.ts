/**
 * With every file descriptor in the hands of idle clients the thread of a compaction could not begin; the pool said so by an
 * event that nobody heard, and the server ended. Connections leave room for everything else now, and a thread that cannot
 * begin ends its job alone.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { WorkerPool } from '../../src/workers/pool.ts'
import { HttpClient } from '../support/http-client.ts'
import { startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

const OPEN_FILES = 128

t.test('idle connections up to the limit, and a compaction', async (t) => {
  const server = startServerProcess({ dataDir: t.testdir(), openFiles: OPEN_FILES })
  const sockets: Socket[] = []
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await server.stop()
  })
  const port = await server.port
  const client = new HttpClient(port)
  await client.json('PUT', '/db')
  await client.json('PUT', '/db/a', { v: 1 })
  let closed = 0
  for (let i = 0; i < 2 * OPEN_FILES; i++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.on('close', () => {
      closed += 1
    })
    sockets.push(socket)
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  }
  await until('those beyond the limit are closed', () => closed >= OPEN_FILES)
  t.ok(closed < 2 * OPEN_FILES - 10, `${2 * OPEN_FILES - closed} connections are kept`)
  t.equal((await client.send('POST', '/db/_compact', {})).status, 202)
  await until('it has ended', async () => {
    const { compact_running } = await client.json<{ compact_running: boolean }>('GET', '/db')
    return !compact_running
  })
  await client.json('PUT', '/other')
  t.match(await client.json('GET', '/db/a'), { v: 1 }, 'and everything is served')
})

/** V8 of Node 24 ends the whole process, not the thread, where there is no memory to begin with. */
const skip = Number.parseInt(process.versions.node, 10) >= 24 && 'V8 ends the process'

t.test('a thread that cannot begin ends its job alone', { skip }, async (t) => {
  // Too little memory to start with: the thread ends before it takes a job.
  const pool = new WorkerPool({ threads: 1, memoryBytes: 1, idleMs: 1000 })
  t.teardown(() => pool.destroy())
  const url = new URL('../fixtures/no-such-module.js', import.meta.url).href
  const run = () => pool.run(url, {}, { transfer: [], signal: new AbortController().signal })
  await t.rejects(run())
  await t.rejects(run(), 'and so does the next one')
})
