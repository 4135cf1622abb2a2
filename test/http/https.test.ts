/** HTTPS beside HTTP, in one thread and in several. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectPlain, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { WebSocket } from 'ws'
import { type Certificate, type CertificateOptions, makeCertificate } from '../support/certificate.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

type Tap = Pick<typeof t, 'teardown'>

interface Secure {
  server: TestServer
  certificate: Certificate
  folder: string
}

function write(folder: string, { cert, key }: Certificate): void {
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
}

async function startSecure(
  t: Tap,
  threads: number,
  config: Record<string, string> = {},
  options: CertificateOptions = {},
): Promise<Secure> {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-https-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const certificate = makeCertificate(options)
  write(folder, certificate)
  const server = await startTestServer({
    threads,
    config: {
      DAVENPORT_SSL__ENABLE: 'true',
      DAVENPORT_SSL__PORT: '0',
      DAVENPORT_SSL__CERT_FILE: join(folder, 'cert.pem'),
      DAVENPORT_SSL__KEY_FILE: join(folder, 'key.pem'),
      ...config,
    },
  })
  t.teardown(() => server.stop())
  return { server, certificate, folder }
}

interface SecureReply {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Of the certificate. */
  name: string
}

/** One request on a connection of its own. */
function askSecurely(
  { server, certificate }: Pick<Secure, 'server' | 'certificate'>,
  line: string,
  sending: { headers?: Record<string, string>; body?: string; tls?: ConnectionOptions } = {},
): Promise<SecureReply> {
  const [method, path] = line.split(' ')
  const headers = { authorization: server.authorization, ...sending.headers }
  const { host = '127.0.0.1', ca = certificate.cert, ...tls } = sending.tls ?? {}
  return new Promise((resolve, reject) => {
    const options = {
      ...tls,
      host,
      port: server.securePort,
      method,
      path,
      headers,
      ca,
      agent: false as const,
    }
    const sent = request(options, (response) => {
      const name = String((response.socket as TLSSocket).getPeerCertificate().subject.CN)
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, text, name }),
      )
    })
    sent.on('error', reject)
    sent.end(sending.body)
  })
}

/** What comes back for what is sent without TLS. */
async function sayPlainly(port: number, text: string): Promise<string> {
  const socket = connectPlain(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
  await once(socket, 'close')
  return answer
}

/** RFC 8446, 5.1. */
const ALERT = 21

const FORM = { 'content-type': 'application/x-www-form-urlencoded', authorization: '' }

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, { timeout: 300_000 }, async (t) => {
    t.test('both are served, and what was written by one is read by the other', async (t) => {
      const secure = await startSecure(t, threads)
      const { server } = secure
      t.match(server.http.urls, [/^http:/, /^https:/])
      const made = await askSecurely(secure, 'PUT /db')
      t.equal(made.status, 201)
      t.equal(made.headers['location'], `https://127.0.0.1:${server.securePort}/db`)
      t.equal((await ask(server, 'PUT /db/a', { json: { long: 'x'.repeat(100_000) } })).status, 201)
      t.match(JSON.parse((await askSecurely(secure, 'GET /db/a')).text), { long: 'x'.repeat(100_000) })
      const url = (await ask(server, 'PUT /db/b', { json: {} })).headers.location
      t.match(url, /^http:/)
    })

    t.test('cookies of sessions are for TLS alone if they came by it', async (t) => {
      const secure = await startSecure(t, threads, { DAVENPORT_CHTTPD_AUTH__TIMEOUT: '20' })
      const { server } = secure
      const body = 'name=admin&password=secret'
      const session = await askSecurely(secure, 'POST /_session', { headers: FORM, body })
      t.equal(session.status, 200)
      t.match(session.headers['set-cookie'], [/; Max-Age=20; Secure; Path=\/; HttpOnly$/])
      const out = await askSecurely(secure, 'DELETE /_session')
      t.match(out.headers['set-cookie'], [/^AuthSession=; .*; Secure;/])
      const plain = await ask(server, 'POST /_session', {
        body,
        as: null,
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-proto': 'https' },
      })
      t.equal(plain.status, 200)
      t.notMatch(plain.headers['set-cookie'], [/Secure/])
      const [cookie] = (session.headers['set-cookie'] as string[])[0]!.split(';')
      await until('it is renewed', async () => {
        const { headers } = await askSecurely(secure, 'GET /_session', {
          headers: { cookie: cookie!, authorization: '' },
        })
        const renewed = headers['set-cookie']
        if (renewed !== undefined) t.match(renewed, [/^AuthSession=\w.*; Secure;/])
        return renewed !== undefined
      })
    })

    t.test('a new certificate is taken without a restart, one that cannot be used is not', async (t) => {
      const secure = await startSecure(t, threads, {}, { name: 'first' })
      const { server, folder } = secure
      const nameOf = async (): Promise<string> =>
        (await askSecurely(secure, 'GET /', { tls: { rejectUnauthorized: false } })).name
      t.equal(await nameOf(), 'first')
      const kept = connect({ port: server.securePort, host: '127.0.0.1', ca: secure.certificate.cert })
      await once(kept, 'secureConnect')

      write(folder, makeCertificate({ name: 'second' }))
      t.equal(await nameOf(), 'first', 'until it is told')
      t.equal((await ask(server, 'POST /_node/_local/_config/_reload')).status, 200)
      for (let tries = 0; tries < 8; tries++) t.equal(await nameOf(), 'second')

      writeFileSync(join(folder, 'key.pem'), makeCertificate().key)
      t.equal((await ask(server, 'POST /_node/_local/_config/_reload')).status, 200)
      for (let tries = 0; tries < 8; tries++) t.equal(await nameOf(), 'second')
      t.match(server.lines.join(''), /the certificate stays as it was/)

      const third = makeCertificate({ name: 'third', password: 'of the key' })
      writeFileSync(join(folder, 'key.pem'), third.key)
      writeFileSync(join(folder, 'cert.pem'), third.cert)
      server.server.certificates!.reload()
      t.equal(await nameOf(), 'second', 'its key is encrypted')
      const put = await ask(server, 'PUT /_node/_local/_config/ssl/password', { json: 'of the key' })
      t.equal(put.status, 200)
      for (let tries = 0; tries < 8; tries++) t.equal(await nameOf(), 'third')
      t.notMatch(server.lines.join(''), 'of the key')

      kept.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      let text = ''
      kept.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
      await once(kept, 'close')
      t.match(text, /^HTTP\/1.1 200/, 'what was open goes on')
    })

    t.test('clients may be asked for certificates', async (t) => {
      const authority = makeCertificate({ name: 'authority' })
      const folder = t.testdir({ 'ca.pem': authority.cert })
      const secure = await startSecure(t, threads, {
        DAVENPORT_SSL__CACERT_FILE: join(folder, 'ca.pem'),
        DAVENPORT_SSL__VERIFY_CERTIFICATE: 'true',
      })
      const signed = makeCertificate({ name: 'client', issuer: authority })
      const foreign = makeCertificate({ name: 'client' })
      const as = ({ cert, key }: Certificate) => ({ tls: { cert, key } })
      t.equal((await askSecurely(secure, 'GET /')).status, 200, 'without one')
      t.equal((await askSecurely(secure, 'GET /', as(signed))).status, 200)
      await t.rejects(askSecurely(secure, 'GET /', as(foreign)))
      const path = '/_node/_local/_config/ssl/fail_if_no_peer_cert'
      t.equal((await ask(secure.server, `PUT ${path}`, { json: 'true' })).status, 200)
      await t.rejects(askSecurely(secure, 'GET /'))
      t.equal((await askSecurely(secure, 'GET /', as(signed))).status, 200)
    })

    t.test('versions and ciphers are those of the settings', async (t) => {
      const secure = await startSecure(t, threads, {
        DAVENPORT_SSL__TLS_VERSIONS: "['tlsv1.2']",
        DAVENPORT_SSL__CIPHERS: '["ECDHE-ECDSA-AES128-GCM-SHA256"]',
      })
      const tryWith = (tls: ConnectionOptions) => askSecurely(secure, 'GET /', { tls })
      t.equal((await tryWith({})).status, 200)
      await t.rejects(tryWith({ minVersion: 'TLSv1.3' }))
      await t.rejects(tryWith({ ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }))
      await t.rejects(tryWith({ ALPNProtocols: ['h2'] }), 'HTTP/2 is not spoken')
    })

    t.test('what is no TLS, stalls or comes in numbers costs nobody else anything', async (t) => {
      const secure = await startSecure(t, threads, {
        DAVENPORT_SSL__MAX_HANDSHAKES: '8',
        DAVENPORT_SSL__HANDSHAKE_TIMEOUT_MS: '600',
      })
      const { server } = secure
      const { securePort: port } = server
      t.match(
        await sayPlainly(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
        /^HTTP\/1.1 400 .*this port speaks HTTPS/s,
      )
      t.equal(await sayPlainly(port, '\x16\x03\x01\x01'), '', 'a record that never comes whole')
      const alert = await sayPlainly(port, '\x16\x03\x01\x00\x04\x01\x00\x00\x00')
      t.equal(alert.charCodeAt(0), ALERT, 'a hello of nothing')

      const stalled: Socket[] = []
      t.teardown(() => {
        for (const socket of stalled) socket.destroy()
      })
      for (let n = 0; n < 300; n++) {
        const socket = connectPlain(port, '127.0.0.1')
        socket.on('error', () => undefined).resume()
        if (n % 3 === 0) socket.write('\x16\x03\x01')
        stalled.push(socket)
        if (n % 50 === 0) {
          await once(socket, 'connect')
          t.equal((await askSecurely(secure, 'GET /')).status, 200)
          t.equal((await ask(server, 'GET /')).status, 200)
        }
      }
      await until('all are closed', () => stalled.every(({ closed }) => closed))
    })

    t.test('a hello that comes byte by byte is one', async (t) => {
      const secure = await startSecure(t, threads)
      const relay = await startRelay(secure.server.securePort)
      t.teardown(() => relay.close())
      const socket = connect({ port: relay.port, host: '127.0.0.1', ca: secure.certificate.cert })
      await once(socket, 'secureConnect')
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      const [first] = (await once(socket, 'data')) as [Buffer]
      t.match(first.toString(), /^HTTP\/1.1 200/)
    })

    t.test('a WebSocket is opened over TLS', async (t) => {
      const secure = await startSecure(t, threads)
      await ask(secure.server, 'PUT /db')
      const client = new WebSocket(`wss://127.0.0.1:${secure.server.securePort}/db/_changes?feed=websocket`, {
        ca: secure.certificate.cert,
        headers: { authorization: secure.server.authorization },
      })
      await once(client, 'open')
      client.send('{}')
      await once(client, 'message')
      client.terminate()
    })

    t.test('connections of both count, and those beyond are closed', async (t) => {
      const { server, certificate } = await startSecure(t, threads, {
        DAVENPORT_CHTTPD__MAX_CONNECTIONS: String(4 * Math.max(1, threads)),
      })
      const open: Socket[] = []
      t.teardown(() => {
        for (const socket of open) socket.destroy()
      })
      const isOpen = async (isSecure: boolean): Promise<boolean> => {
        const socket = isSecure
          ? connect({ port: server.securePort, host: '127.0.0.1', ca: certificate.cert })
          : connectPlain(server.http.port, '127.0.0.1')
        open.push(socket)
        socket.on('error', () => undefined)
        socket.once(isSecure ? 'secureConnect' : 'connect', () =>
          socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
        )
        return new Promise((resolve) => {
          socket.once('data', () => resolve(true))
          socket.once('close', () => resolve(false))
        })
      }
      let refused = 0
      for (let n = 0; n < 40; n++) if (!(await isOpen(n % 2 === 0))) refused += 1
      t.ok(refused >= 40 - 6 * Math.max(1, threads), `${refused} of 40`)
      for (const socket of open) socket.destroy()
      await until('there is room again', () => isOpen(true))
    })

    t.test('stopping lets what runs over TLS end', async (t) => {
      const secure = await startSecure(t, threads)
      await ask(secure.server, 'PUT /db')
      const poll = askSecurely(secure, 'GET /db/_changes?feed=longpoll&since=now')
      await until('it waits', () => secure.server.server.databases.watcherCount('db') > 0)
      const idle = connect({ port: secure.server.securePort, host: '127.0.0.1', ca: secure.certificate.cert })
      await once(idle, 'secureConnect')
      idle.resume()
      const stalled = connectPlain(secure.server.securePort, '127.0.0.1')
      await once(stalled, 'connect')
      stalled.resume()
      await Promise.all([secure.server.stop(5000), once(idle, 'close'), once(stalled, 'close')])
      t.equal((await poll).status, 200)
    })
  })
}

t.test('without a usable certificate there is no start', async (t) => {
  const folder = t.testdir({ 'cert.pem': makeCertificate().cert, 'key.pem': makeCertificate().key })
  const cases: [Record<string, string>, RegExp][] = [
    [{}, /\[ssl\] enable needs \[ssl\] cert_file/],
    [{ CERT_FILE: 'cert.pem' }, /\[ssl\] enable needs \[ssl\] key_file/],
    [{ CERT_FILE: 'none.pem', KEY_FILE: 'key.pem' }, /\[ssl\] cert_file: ENOENT/],
    [{ CERT_FILE: '.', KEY_FILE: 'key.pem' }, /\[ssl\] cert_file: this is no file/],
    [{ CERT_FILE: 'cert.pem', KEY_FILE: 'key.pem' }, /\[ssl\] cannot be used: .*mismatch/],
  ]
  for (const [keys, expected] of cases) {
    const paths = Object.entries(keys).map(([key, name]) => [`DAVENPORT_SSL__${key}`, join(folder, name)])
    const config = { DAVENPORT_SSL__ENABLE: 'true', ...Object.fromEntries(paths) }
    await t.rejects(startTestServer({ config, threads: 0 }), { name: 'ConfigError', message: expected })
  }
})

/** Passes on what clients send a byte at a time. */
async function startRelay(port: number) {
  const { createServer } = await import('node:net')
  const server = createServer((client) => {
    const upstream = connectPlain({ port, host: '127.0.0.1', noDelay: true })
    upstream.pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    let sending = Promise.resolve()
    client.on('data', (chunk) => {
      sending = sending.then(async () => {
        for (const byte of chunk) {
          upstream.write(Buffer.of(byte))
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, close: () => void server.close() }
}
