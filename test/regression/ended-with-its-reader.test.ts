/**
 * A stream whose `error` nobody listens to ends the process: a server whose log went into a program that had ended
 * (`davenport serve 2>&1 | head -1`) ended with its next line.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { HttpClient } from '../support/http-client.ts'
import { startServerProcess } from '../support/server-process.ts'

t.test('a server goes on when nobody reads what it writes', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'davenport-unread-'))
  // Each request is a line.
  const server = startServerProcess({ dataDir, environment: { DAVENPORT_LOG__LEVEL: 'debug' } })
  const client = new HttpClient(await server.port)
  t.teardown(async () => {
    client.close()
    await server.kill()
    await rm(dataDir, { recursive: true, force: true })
  })
  const { stdout, stderr } = server.child.process
  stdout!.destroy()
  stderr!.destroy()
  for (let i = 0; i < 20; i++) t.equal((await client.send('GET', '/_up')).status, 200)
  t.equal(await server.stop(), 0)
})
