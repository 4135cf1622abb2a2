/** Where a server listens, and what it takes from those who connect, in one thread and in several. */
import { once } from 'node:events'
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { listenOnFile } from '../../src/http/listen/socket-file.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { startServerProcess } from '../support/server-process.ts'

/** A folder whose name is short enough for sockets. */
function folderFor(t: { teardown(end: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The status of `GET /`. */
function statusOf(options: { socketPath?: string; host?: string; port?: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, path: '/', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Everything that comes until the connection is closed. */
async function allFrom(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => undefined)
  if (!socket.closed) await once(socket, 'close')
  return text
}

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, { timeout: 300_000 }, async (t) => {
    const start = async (config: Record<string, string>): Promise<TestServer> => {
      const server = await startTestServer({ threads, config })
      t.teardown(() => server.stop())
      return server
    }

    t.test('several addresses have one port', async (t) => {
      const { http } = await start({ DAVENPORT_CHTTPD__BIND_ADDRESS: '127.0.0.1, 127.0.0.2, [::1]' })
      t.same(http.urls, [
        `http://127.0.0.1:${http.port}`,
        `http://127.0.0.2:${http.port}`,
        `http://[::1]:${http.port}`,
      ])
      for (const host of ['127.0.0.1', '127.0.0.2', '::1']) {
        for (let tries = 0; tries < 4; tries++) t.equal(await statusOf({ host, port: http.port }), 200, host)
      }
      await t.rejects(statusOf({ host: '127.0.0.3', port: http.port }))
    })

    t.test('every address of both kinds', async (t) => {
      for (const addresses of ['any, ::', '::']) {
        const { http } = await start({ DAVENPORT_CHTTPD__BIND_ADDRESS: addresses })
        for (const host of ['127.0.0.1', '::1']) t.equal(await statusOf({ host, port: http.port }), 200)
      }
    })

    t.test('a Unix socket with its mode, until the server stops', async (t) => {
      const folder = folderFor(t)
      const path = join(folder, 'db.sock')
      const config = { DAVENPORT_DAVENPORT__UNIX_SOCKET: path, DAVENPORT_DAVENPORT__UNIX_SOCKET_MODE: '660' }
      const server = await startTestServer({ threads, config })
      t.equal(server.http.urls.at(-1), `unix:${path}`)
      t.equal(lstatSync(path).mode & 0o777, 0o660)
      t.same(readdirSync(folder), ['db.sock'])
      for (let tries = 0; tries < 6; tries++) t.equal(await statusOf({ socketPath: path }), 200)
      await t.rejects(startTestServer({ threads, config }), { code: 'EADDRINUSE' })
      t.equal(await statusOf({ socketPath: path }), 200, 'the one that listens is left alone')
      const idle = connect(path)
      await once(idle, 'connect')
      await Promise.all([server.stop(5000), allFrom(idle)])
      t.same(readdirSync(folder), [], 'the name goes with it')
    })

    t.test('a server that was killed leaves a name that the next one takes', async (t) => {
      const folder = folderFor(t)
      const path = join(folder, 'db.sock')
      const environment = {
        DAVENPORT_DAVENPORT__UNIX_SOCKET: path,
        DAVENPORT_DAVENPORT__THREADS: String(threads),
      }
      for (let round = 0; round < 2; round++) {
        const child = startServerProcess({ dataDir: join(folder, 'data'), environment })
        await child.port
        await child.child.until(new RegExp(`listening on unix:${path}\n`))
        t.equal(await statusOf({ socketPath: path }), 200)
        await child.kill()
        t.ok(lstatSync(path).isSocket())
      }
    })

    t.test('heads are bounded in bytes and in time', async (t) => {
      const server = await start({
        DAVENPORT_CHTTPD__MAX_HEADER_SIZE: '2000',
        DAVENPORT_DAVENPORT__HEAD_TIMEOUT_MS: '300',
      })
      const { port } = server.http
      const long = await ask(server, 'GET /', { headers: { 'x-long': 'x'.repeat(2000) } })
      t.equal(long.status, 431)
      t.equal((await ask(server, 'GET /', { headers: { 'x-long': 'x'.repeat(1000) } })).status, 200)
      const bound = (json: string) => ask(server, 'PUT /_node/_local/_config/chttpd/max_uri_length', { json })
      t.equal((await bound('100')).status, 200)
      const uri = (length: number): string => `GET /_up?a=${'x'.repeat(length - '/_up?a='.length)}`
      t.equal((await ask(server, uri(100))).status, 200)
      const tooLong = await ask(server, uri(101), { as: null })
      t.equal(tooLong.status, 414)
      t.same(tooLong.json, { error: 'too_long', reason: 'the request uri is too long' })
      const silent = connect(port, '127.0.0.1')
      t.match(await allFrom(silent), /^HTTP\/1.1 408 /, 'who says nothing')
      const slow = connect(port, '127.0.0.1')
      const timer = setInterval(() => slow.write('x'), 50)
      slow.write('GET / HTTP/1.1\r\nx: ')
      t.match(await allFrom(slow), /^HTTP\/1.1 408 /, 'who says it slowly')
      clearInterval(timer)
    })

    t.test('connections that are idle are closed', async (t) => {
      const server = await start({
        DAVENPORT_DAVENPORT__KEEP_ALIVE_MS: '100',
        DAVENPORT_DAVENPORT__IDLE_TIMEOUT_MS: '300',
      })
      const { port } = server.http
      const between = connect(port, '127.0.0.1')
      between.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      t.match(await allFrom(between), /^HTTP\/1.1 200 /)
      const within = connect(port, '127.0.0.1')
      within.write('POST /_session HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n')
      await allFrom(within)
    })

    t.test('connections are bounded in number over all addresses', async (t) => {
      const most = 6 * Math.max(1, threads)
      const folder = folderFor(t)
      const path = join(folder, 'db.sock')
      const { http } = await start({
        DAVENPORT_CHTTPD__MAX_CONNECTIONS: String(most),
        DAVENPORT_CHTTPD__BIND_ADDRESS: '127.0.0.1,127.0.0.2',
        DAVENPORT_DAVENPORT__UNIX_SOCKET: path,
      })
      const sockets: Socket[] = []
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
      })
      const answered = await Promise.all(
        Array.from({ length: 10 * most }, async (_, at) => {
          const socket =
            at % 3 === 0 ? connect(path) : connect(http.port, at % 3 === 1 ? '127.0.0.1' : '127.0.0.2')
          sockets.push(socket)
          socket.on('error', () => undefined)
          socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
          return new Promise<boolean>((resolve) => {
            socket.once('data', () => resolve(true))
            socket.once('close', () => resolve(false))
          })
        }),
      )
      const count = answered.filter((each) => each).length
      t.ok(count > 0 && count <= most + Math.max(1, threads), `${count} of at most ${most}`)
    })
  })
}

t.test('without an administrator a server listens to this machine alone', async (t) => {
  for (const bound of ['127.0.0.1,0.0.0.0', '::']) {
    const child = startServerProcess({
      dataDir: t.testdir(),
      admin: null,
      environment: { DAVENPORT_CHTTPD__BIND_ADDRESS: bound },
    })
    t.not(await child.child.ended, 0)
    t.match(child.child.err, 'no administrator is configured')
  }
})

t.test('a name that is not a forgotten socket stays', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 'file')
  writeFileSync(path, 'precious')
  const server = createServer()
  await t.rejects(listenOnFile(server, { path, mode: 0o600 }), { code: 'EADDRINUSE' })
  t.notOk(lstatSync(path).isSocket())
  t.same(readdirSync(folder), ['file'])
  await t.rejects(listenOnFile(createServer(), { path: join(folder, 'none', 's'), mode: 0o600 }), {
    code: 'ENOENT',
  })
})

t.test('of those who take a name at once one gets it, a free one and one of a dead socket', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 's')
  for (let round = 0; round < 30; round++) {
    const servers = Array.from({ length: 6 }, () => createServer((socket) => socket.end()))
    const files = await Promise.allSettled(
      servers.map(async (server, n) => {
        await setTimeout(n % 3)
        return listenOnFile(server, { path, mode: 0o600 })
      }),
    )
    const got = files.flatMap((file) => (file.status === 'fulfilled' ? [file.value] : []))
    t.equal(got.length, 1)
    t.same(readdirSync(folder), ['s'], 'what they made on their way is gone')
    const client = connect(path)
    await once(client, 'connect')
    client.destroy()
    // Every other time the name is left behind.
    if (round % 2 === 0) await got[0]!.remove()
    // Closing takes away the draft's name alone, so what is left behind is a dead socket.
    for (const server of servers) if (server.listening) server.close()
  }
})

t.test('a claim on a dead socket is of no weight when the claimant is dead, too', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 's')
  const dead = async (name: string) => {
    const server = createServer()
    await listenOnFile(server, { path: name, mode: 0o600 })
    await once(server.close(), 'close')
    return lstatSync(name).ino
  }
  const ino = await dead(path)
  const claim = join(folder, `.${ino.toString(36)}`)
  await dead(join(folder, `.${(await dead(claim)).toString(36)}`))
  const server = createServer()
  t.teardown(() => server.close())
  const file = await listenOnFile(server, { path, mode: 0o600 })
  t.same(readdirSync(folder), ['s'])
  await file.remove()

  await dead(path)
  const claimant = createServer()
  t.teardown(() => claimant.close())
  const living = join(folder, `.${lstatSync(path).ino.toString(36)}`)
  await listenOnFile(claimant, { path: living, mode: 0o600 })
  await t.rejects(listenOnFile(createServer(), { path, mode: 0o600 }), { code: 'EADDRINUSE' })
})
