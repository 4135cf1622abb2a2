/** Connections that come in a burst are shared out among the threads that listen on the same socket. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { connectionCounts, connectionsOf } from '../../src/base/connection-shares.ts'
import type { Fronts } from '../../src/threads/fronts.ts'
import { ListeningSocket } from '../../src/threads/listening-socket.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import type { ListeningThreadStart } from '../support/listening-thread.ts'
import { until } from '../support/until.ts'

const PROGRAM = new URL('../support/listening-thread.js', import.meta.url)
const ANY = { host: '127.0.0.1', port: 0, ipv6Only: false, isSecure: false }
/** Longer than any machine lets a thread wait for a processor: who is ahead waits until another thread has taken a connection. */
const PATIENCE_MS = 60_000

t.setTimeout(180_000)

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + Math.max(0, count), 0)
}

function burst(to: number | string, count: number): Socket[] {
  const address = typeof to === 'number' ? { port: to, host: '127.0.0.1' } : { path: to }
  return Array.from({ length: count }, () => connect(address).on('error', () => undefined))
}

for (const threads of [2, 4]) {
  t.test(`none of ${threads} threads takes far more than another one`, async (t) => {
    const words = connectionCounts(threads)
    const socket = await ListeningSocket.open(ANY)
    const workers = (await socket.descriptors(threads)).map((fd, place) => {
      const workerData: ListeningThreadStart = { fd, words, place, patienceMs: PATIENCE_MS }
      return new Worker(PROGRAM, { workerData })
    })
    const clients: Socket[] = []
    t.teardown(async () => {
      for (const client of clients) client.destroy()
      await Promise.all(workers.map((worker) => worker.terminate()))
      await socket.close()
    })
    await until('all listen', () => connectionsOf(words).every((count) => count === 0))
    for (let round = 1; round <= 5; round++) {
      clients.push(...burst(socket.port!, 64))
      await until('all are taken', () => sum(connectionsOf(words)) === 64 * round)
      const counts = connectionsOf(words)
      const least = Math.min(...counts)
      // One is taken before the thread sees that it is ahead.
      t.ok(Math.max(...counts) <= least + 2 + (least >> 3), counts.join(', '))
    }
  })
}

function countsOf({ http }: TestServer): number[] {
  return (http as unknown as Fronts).connections
}

t.test('fronts count the connections that they have, and one that ends counts no more', async (t) => {
  const server = await startTestServer({ threads: 2 })
  t.teardown(() => server.stop())
  t.same(countsOf(server), [0, 0])
  const clients = burst(server.http.port, 20)
  await until('all are taken', () => sum(countsOf(server)) === 20)
  for (const client of clients.splice(0, 10)) client.destroy()
  await until('half have gone', () => sum(countsOf(server)) === 10)
  const [worker] = (server.http as unknown as Fronts).workers
  const exited = once(worker!, 'exit')
  await worker!.terminate()
  await exited
  t.equal(countsOf(server).filter((count) => count === -1).length, 1)
  for (const client of clients) client.destroy()
  await until('another one has its place', () => countsOf(server).join() === '0,0')
})

t.test('connections of all sockets count, each of them once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-shares-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'socket')
  const server = await startTestServer({ threads: 2, config: { DAVENPORT_DAVENPORT__UNIX_SOCKET: path } })
  t.teardown(() => server.stop())
  const clients = [...burst(server.http.port, 7), ...burst(path, 5)]
  await until('all are taken', () => sum(countsOf(server)) >= 12)
  const { status } = await ask(server, 'GET /_up')
  t.equal(status, 200)
  t.ok(sum(countsOf(server)) <= 13, 'that of the request, which may be kept, and the others')
  for (const client of clients) client.destroy()
  await until('all have gone', () => sum(countsOf(server)) === 0)
})
