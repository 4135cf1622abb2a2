/** What the log says of requests, and what it never says. */
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectSecurely } from 'node:tls'
import t from 'tap'
import { WebSocket } from 'ws'
import { maskedTarget } from '../../src/http/listen/masked-target.ts'
import { makeCertificate } from '../support/certificate.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { ADMIN, startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

type Line = Record<string, unknown>

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)

for (const threads of [0, 2]) {
  t.test(`one line each, with ${threads} threads`, { timeout: 300_000 }, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const requests = (): Line[] =>
      linesOf(server.lines.join('')).filter(({ message }) => message === 'request')
    const lineOf = async (id: string): Promise<Line> => {
      await until('it is logged', () => requests().some(({ requestId }) => requestId === id))
      const found = requests().filter(({ requestId }) => requestId === id)
      t.equal(found.length, 1)
      return found[0]!
    }
    const named = (id: string) => ({ headers: { 'x-couch-request-id': id } })
    await ask(server, 'PUT /db', named('put'))
    t.match(await lineOf('put'), {
      level: 'notice',
      requestId: 'put',
      peer: '127.0.0.1',
      user: 'admin',
      method: 'PUT',
      target: '/db',
      status: 201,
      bytesIn: 0,
      bytesOut: '{"ok":true}\n'.length,
      durationMs: Number,
    })
    const json = { a: 'x'.repeat(1000) }
    await ask(server, 'PUT /db/a', { json, ...named('doc') })
    t.match(await lineOf('doc'), { status: 201, bytesIn: JSON.stringify(json).length, target: '/db/a' })
    const bulk = Array.from({ length: 2000 }, (_, at) => ({ _id: `d${at}` }))
    await ask(server, 'POST /db/_bulk_docs', { json: { docs: bulk } })
    const listing = await ask(server, 'GET /db/_all_docs?limit=1500', named('listing'))
    t.match(await lineOf('listing'), {
      bytesOut: Buffer.byteLength(listing.text),
      target: '/db/_all_docs?limit=1500',
    })
    await ask(server, 'HEAD /db/_all_docs', named('head'))
    t.match(await lineOf('head'), { method: 'HEAD', status: 200, bytesOut: 0 })
    await ask(server, 'GET /none/a', { as: null, ...named('none') })
    t.match(await lineOf('none'), { user: null, status: 404 })
    await ask(server, 'GET /db', { as: 'admin:wrong', ...named('wrong') })
    t.match(await lineOf('wrong'), { user: null, status: 401 })
    await ask(server, 'PUT /db/a/file', { body: Buffer.alloc(70_000), ...named('refused'), as: null })
    t.match(await lineOf('refused'), { status: 401, bytesIn: 0 }, 'a body that nobody has read')

    const gone = connect(server.http.port, '127.0.0.1')
    gone.write(
      `GET /db/_changes?feed=continuous HTTP/1.1\r\nHost: x\r\nX-Couch-Request-ID: gone\r\n` +
        `Authorization: ${server.authorization}\r\n\r\n`,
    )
    await once(gone, 'data')
    gone.destroy()
    t.match(await lineOf('gone'), { status: 200, aborted: true, peer: '127.0.0.1' })

    const client = new WebSocket(`ws://127.0.0.1:${server.http.port}/db/_changes?feed=websocket`, {
      headers: { authorization: server.authorization, 'x-couch-request-id': 'ws' },
    })
    await once(client, 'open')
    client.send('{}')
    await once(client, 'message')
    client.close()
    t.match(await lineOf('ws'), { status: 101, user: 'admin' })

    const nothing = connect(server.http.port, '127.0.0.1')
    nothing.resume().end('hello\r\n\r\n')
    await once(nothing, 'close')
    await until('it is told', () =>
      linesOf(server.lines.join('')).some(
        ({ message, peer }) => message === 'request refused' && peer === '127.0.0.1',
      ),
    )
  })

  t.test(`slow ones, with ${threads} threads`, { timeout: 300_000 }, async (t) => {
    const server = await startTestServer({ threads, config: { DAVENPORT_LOG__SLOW_REQUEST_MS: '60' } })
    t.teardown(() => server.stop())
    await ask(server, 'PUT /db')
    const slowly = async (): Promise<void> => {
      const socket = connect(server.http.port, '127.0.0.1')
      socket.write(
        `PUT /db/slow HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\nContent-Length: 2\r\n` +
          'Connection: close\r\n\r\n{',
      )
      setTimeout(() => socket.write('}'), 200)
      socket.resume()
      await once(socket, 'close')
    }
    await slowly()
    await ask(server, 'GET /db/_changes?feed=longpoll&since=now&timeout=200')
    await until(
      'both are logged',
      () => /slow"/.test(server.lines.join('')) && /longpoll/.test(server.lines.join('')),
    )
    const lines = linesOf(server.lines.join('')).filter(({ target }) => /slow|longpoll/.test(String(target)))
    t.match(lines, [
      { level: 'warning', message: 'slow request', target: '/db/slow', status: 201 },
      { level: 'notice', message: 'request', target: /longpoll/ },
    ])
    const off = await ask(server, 'PUT /_node/_local/_config/log/slow_request_ms', { json: '100000' })
    t.equal(off.status, 409, 'the environment says otherwise')
  })
}

t.test('requests are logged at notice, and not above it', { timeout: 300_000 }, async (t) => {
  for (const threads of ['0', '2']) {
    const server = startServerProcess({
      dataDir: join(t.testdir(), threads),
      environment: { DAVENPORT_DAVENPORT__THREADS: threads },
    })
    const url = `http://${ADMIN}@127.0.0.1:${await server.port}`
    const get = (path: string, method = 'GET', body?: string) => {
      const { origin, username, password } = new URL(url)
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
      return fetch(`${origin}${path}`, { method, headers: { authorization }, ...(body && { body }) })
    }
    await get('/_up?unseen')
    t.equal((await get('/_node/_local/_config/log/level', 'PUT', '"notice"')).status, 200)
    await get('/_up?seen')
    await server.child.until(/"target":"\/_up\?seen"/, 'err')
    t.equal((await get('/_node/_local/_config/log/level', 'PUT', '"warning"')).status, 200)
    await get('/_up?later')
    t.equal(await server.stop(), 0)
    t.notMatch(server.child.err, /unseen|later/)
  }
})

t.test('no password, cookie, token or body is logged', { timeout: 300_000 }, async (t) => {
  for (const threads of ['0', '2']) {
    const folder = t.testdir()
    const path = join(folder, 'log')
    const key = Buffer.from('key-of-the-tokens').toString('base64')
    const server = startServerProcess({
      dataDir: join(folder, threads),
      environment: {
        DAVENPORT_DAVENPORT__THREADS: threads,
        DAVENPORT_LOG__LEVEL: 'debug',
        DAVENPORT_LOG__WRITER: 'file',
        DAVENPORT_LOG__FILE: path,
        DAVENPORT_CHTTPD__AUTHENTICATION_HANDLERS: 'jwt, cookie, default',
        'DAVENPORT_JWT_KEYS__hmac:_default': key,
      },
    })
    const origin = `http://127.0.0.1:${await server.port}`
    const send = (
      path: string,
      method: string,
      { headers = {}, json }: { headers?: Record<string, string>; json?: unknown } = {},
    ) =>
      fetch(`${origin}${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      })
    const admin = { authorization: `Basic ${Buffer.from(ADMIN).toString('base64')}` }
    await send('/db', 'PUT', { headers: admin })
    await send('/_users/org.couchdb.user:ann', 'PUT', {
      headers: admin,
      json: { name: 'ann', password: 'pass-of-ann', roles: [], type: 'user' },
    })
    const session = await send('/_session', 'POST', { json: { name: 'ann', password: 'pass-of-ann' } })
    t.equal(session.status, 200)
    const [cookie] = session.headers.get('set-cookie')!.split(';')
    await send('/_session', 'GET', { headers: { cookie: cookie! } })
    await send('/_session', 'POST', { json: { name: 'ann', password: 'pass-mistyped' } })
    await send('/_session?password=pass-in-query', 'POST', {
      json: { name: 'ann', password: 'pass-mistyped' },
    })
    await send('/db', 'GET', { headers: { authorization: `Basic ${btoa('ann:pass-in-basic')}` } })
    await send('/db', 'GET', { headers: { authorization: 'Bearer tokenhead.tokenbody.tokensign' } })
    await send('/db?access_token=token-in-query', 'GET')
    await send('/db?source=http%3A%2F%2Fann%3Apass-in-url%40host%2Fdb', 'GET')
    await send('/_node/_local/_config/admins/eve', 'PUT', { headers: admin, json: 'pass-of-eve' })
    await send('/_node/_local/_config/chttpd_auth/secret', 'PUT', {
      headers: admin,
      json: 'secret-of-cookies',
    })
    await send('/_node/_local/_config/chttpd_auth/timeout', 'PUT', {
      headers: admin,
      json: 'word-that-is-no-number',
    })
    await send('/db/a', 'PUT', { headers: admin, json: { body: 'word-of-a-body' } })
    await send('/db/b', 'PUT', { headers: admin, json: '{ word-of-no-json' })
    t.equal(await server.stop(), 0)
    const log = readFileSync(path, 'utf8') + server.child.err + server.child.out
    t.equal(linesOf(log).filter(({ message }) => message === 'request').length, 15)
    const secrets = [
      ADMIN.split(':')[1]!,
      admin.authorization.slice('Basic '.length),
      cookie!.slice('AuthSession='.length),
      key,
      'pass-',
      btoa('ann:pass-in-basic'),
      'tokenhead',
      'tokensign',
      'token-in',
      'secret-of',
      'word-',
    ]
    // The folder's name and the names of settings are none.
    const said = log
      .replaceAll(folder, '')
      .replaceAll('/chttpd_auth/secret', '')
      .replaceAll('"key":"secret"', '')
    for (const secret of secrets) t.notMatch(said, secret)
  }
})

t.test('SIGHUP opens the log anew and reads the certificate', { timeout: 300_000 }, async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'log')
  const put = (name: string): void => {
    const { cert, key } = makeCertificate({ name })
    writeFileSync(join(folder, 'cert.pem'), cert)
    writeFileSync(join(folder, 'key.pem'), key)
  }
  put('first')
  const server = startServerProcess({
    dataDir: join(folder, 'data'),
    environment: {
      DAVENPORT_DAVENPORT__THREADS: '2',
      DAVENPORT_LOG__LEVEL: 'notice',
      DAVENPORT_LOG__WRITER: 'file',
      DAVENPORT_LOG__FILE: path,
      DAVENPORT_SSL__ENABLE: 'true',
      DAVENPORT_SSL__PORT: '0',
      DAVENPORT_SSL__CERT_FILE: join(folder, 'cert.pem'),
      DAVENPORT_SSL__KEY_FILE: join(folder, 'key.pem'),
    },
  })
  const port = await server.port
  const [, securePort] = await server.child.until(/listening on https:\/\/127\.0\.0\.1:(\d+)\//)
  const nameOf = async (): Promise<string> => {
    const socket = connectSecurely({ port: Number(securePort), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return String(subject.CN)
  }
  const said = (file: string): string => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  }
  await fetch(`http://127.0.0.1:${port}/_up?before`)
  await until('it is logged', () => said(path).includes('before'))
  t.equal(await nameOf(), 'first')
  renameSync(path, `${path}.1`)
  put('second')
  await fetch(`http://127.0.0.1:${port}/_up?between`)
  await until('it is logged in the old file', () => said(`${path}.1`).includes('between'))
  server.child.process.kill('SIGHUP')
  await until('there is another file', () => said(path).includes('read anew'))
  t.equal(await nameOf(), 'second')
  await fetch(`http://127.0.0.1:${port}/_up?after`)
  await until('it is logged in the new one', () => said(path).includes('after'))
  t.equal(await server.stop(), 0)
  t.notMatch(said(`${path}.1`), 'after')
  t.equal(server.child.err, '')
})

t.test('a log that cannot be written is refused at the start', async (t) => {
  const server = startServerProcess({
    dataDir: t.testdir(),
    environment: { DAVENPORT_LOG__WRITER: 'file', DAVENPORT_LOG__FILE: '/no/such/folder/log' },
  })
  t.equal(await server.child.ended, 2)
  t.match(server.child.err, /\[log\] file: .*ENOENT/)
})

t.test('targets without their secrets', async (t) => {
  const cases = [
    ['/db/doc?rev=1-a&attachments=true', '/db/doc?rev=1-a&attachments=true'],
    ['/db?access_token=abc&limit=1', '/db?access_token=****&limit=1'],
    ['/db?Password=abc', '/db?Password=****'],
    ['/db?p%61ssword=abc', '/db?p%61ssword=****'],
    ['/db?client_secret=a=b', '/db?client_secret=****'],
    ['/db?next=http://a:b@host/', '/db?next=****'],
    ['/db?next=http%3a%2f%2Fa%3Ab%40host', '/db?next=****'],
    ['/db?next=http%253A%252F%252Fa%253Ab%2540host', '/db?next=****'],
    ['/db?http://a:b@host', '/db?****'],
    ['http://a:b@host/db?x=1', '****?x=1'],
    ['/db/a@b?key="a@b"', '/db/a@b?key="a@b"'],
    ['/db?startkey="a"&key="b"&keys=["c"]', '/db?startkey="a"&key="b"&keys=["c"]'],
    ['/db?code=1&sig=2&api-key=3', '/db?code=****&sig=****&api-key=****'],
  ]
  for (const [target, expected] of cases) t.equal(maskedTarget(target!), expected)
  t.ok(maskedTarget(`/${'x'.repeat(10_000)}`).length < 2100)
})
