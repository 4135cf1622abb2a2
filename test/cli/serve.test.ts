import { once } from 'node:events'
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { SAME_PRESS_MS } from '../../src/cli/stop-signal.ts'
import { type Child, startChild } from '../support/child.ts'

const QUICK = { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2' }

async function serve(
  dataDir: string,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<{ child: Child; url: string }> {
  const all = ['serve', '--port', '0', '--data-dir', dataDir, ...args]
  const child = startChild('./cli-program.js', all, {
    ...QUICK,
    DAVENPORT_LOG__LEVEL: 'info',
    ...environment,
  })
  t.teardown(() => child.process.kill('SIGKILL'))
  const [, url] = await child.until(/^davenport listening on (http:\/\/127\.0\.0\.1:\d+\/)\n/)
  return { child, url: url! }
}

const who = async (url: string, credentials?: string) => {
  const headers = credentials && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  const response = await fetch(url, headers ? { headers } : {})
  return response.status === 200 ? ((await response.json()) as { user: unknown }).user : response.status
}

t.test('the first start prints a ready URL; a signal stops cleanly', async (t) => {
  const dataDir = join(t.testdir(), 'data')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, url } = await serve(dataDir)
    const password = (await readFile(join(dataDir, 'admin-password'), 'utf8')).trim()
    if (signal === 'SIGTERM') {
      const [, ready] = await child.until(/ready at (\S+)\n/)
      t.equal(ready, url.replace('//', `//admin:${password}@`))
    } else {
      t.notMatch(child.out, password, 'only once')
    }
    t.match(await who(url, `admin:${password}`), { name: 'admin', roles: ['_admin'], handler: 'default' })
    t.match(await who(url), { name: null })
    t.equal(await who(url, 'admin:wrong'), 401)
    if (signal === 'SIGTERM') {
      const put = await fetch(`${url}db`, { method: 'PUT' })
      t.equal(put.status, 200)
    } else {
      t.same(((await (await fetch(url)).json()) as { names: string[] }).names, [
        '_replicator',
        '_users',
        'db',
      ])
    }
    await access(join(dataDir, 'server.lock'))
    child.process.kill(signal)
    t.equal(await child.ended, 0)
    t.notOk((await readdir(dataDir)).includes('server.lock'), 'the lock is given back')
    for (const line of child.err.trim().split('\n')) t.ok(JSON.parse(line).message)
    t.notMatch(child.err, password)
  }
})

t.test('administrators from all places; the generated one goes', async (t) => {
  const dataDir = t.testdir({ 'given.ini': '[admins]\nfile = f\n' })
  const first = await serve(dataDir)
  const password = (await readFile(join(dataDir, 'admin-password'), 'utf8')).trim()
  first.child.process.kill('SIGTERM')
  await first.child.ended
  const { child, url } = await serve(
    dataDir,
    ['--admin', 'flag:x:y', '--config', join(dataDir, 'given.ini')],
    { DAVENPORT_ADMIN: 'davenport:d', COUCHDB_USER: 'couch', COUCHDB_PASSWORD: 'c' },
  )
  for (const credentials of ['flag:x:y', 'file:f', 'davenport:d', 'couch:c']) {
    t.match(await who(url, credentials), { roles: ['_admin'] }, credentials)
  }
  t.equal(await who(url, `admin:${password}`), 401)
  await t.rejects(access(join(dataDir, 'admin-password')), { code: 'ENOENT' })
  t.notMatch(child.out, 'ready at')
  child.process.kill('SIGTERM')
  t.equal(await child.ended, 0)
})

t.test('a running request is finished before the end', async (t) => {
  const { child, url } = await serve(t.testdir())
  const slow = fetch(`${url}slow`)
  await child.until(/"message":"arrived"/, 'err')
  child.process.kill('SIGTERM')
  await child.until(/"message":"stopping"/, 'err')
  t.equal((await slow).status, 200)
  t.equal(await child.ended, 0)
})

t.test('a stuck request does not hold the end up for ever', async (t) => {
  const { child, url } = await serve(t.testdir(), [], { DAVENPORT_DAVENPORT__STOP_GRACE_MS: '50' })
  const stuck = t.rejects(fetch(`${url}stuck`))
  await child.until(/"message":"arrived"/, 'err')
  child.process.kill('SIGTERM')
  await stuck
  t.equal(await child.ended, 0)
})

t.test('a second signal ends at once, with status 1', async (t) => {
  const { child, url } = await serve(t.testdir())
  const stuck = t.rejects(fetch(`${url}stuck`))
  await child.until(/"message":"arrived"/, 'err')
  child.process.kill('SIGINT')
  await child.until(/"message":"stopping"/, 'err')
  child.process.kill('SIGINT')
  await new Promise((resolve) => setTimeout(resolve, SAME_PRESS_MS + 100))
  t.equal(child.process.exitCode, null, 'the same key press, passed on by npm')
  child.process.kill('SIGINT')
  t.equal(await child.ended, 1)
  await stuck
})

t.test('a second server on the same folder or port is refused with status 1', async (t) => {
  const folder = t.testdir()
  const dataDir = join(folder, 'one')
  const other = join(folder, 'other')
  const { child, url } = await serve(dataDir)
  const same = startChild('./cli-program.js', ['serve', '--port', '0', '--data-dir', dataDir], QUICK)
  t.equal(await same.ended, 1)
  t.match(same.err, /^davenport: .*server\.lock/)
  const port = new URL(url).port
  const busy = startChild('./cli-program.js', ['serve', '--port', port, '--data-dir', other], QUICK)
  t.equal(await busy.ended, 1)
  t.match(busy.err, /EADDRINUSE/)
  t.notOk((await readdir(other)).includes('server.lock'), 'which gave its lock back')
  child.process.kill('SIGTERM')
  await once(child.process, 'exit')
})
