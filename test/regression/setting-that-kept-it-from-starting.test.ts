/**
 * A change of the configuration was taken that no server could be started with: `[ssl] enable` with files that were not there or
 * made no pair, a socket in a folder that was not there, addresses that the machine has not. The server ran on, and did not
 * start the next time. Such a change is refused, and so are files with it that are read anew, by request and at SIGHUP; where the
 * files say so anyway the start tells it in one line.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listenOnFile } from '../../src/http/listen/socket-file.ts'
import { makeCertificate } from '../support/certificate.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

t.setTimeout(120_000)

type Tap = Pick<typeof t, 'match' | 'same' | 'teardown'>

const CONFIG = '/_node/_local/_config'

async function started(t: Tap, config: Record<string, string> = {}): Promise<TestServer> {
  const server = await startTestServer({ threads: 0, config })
  t.teardown(() => server.stop())
  return server
}

const put = (server: TestServer, path: string, json: string) => ask(server, `PUT ${CONFIG}/${path}`, { json })

async function refused(t: Tap, server: TestServer, path: string, text: string, reason: RegExp) {
  const before = (await ask(server, `GET ${CONFIG}/${path}`)).json
  t.match(await put(server, path, text), { status: 400, json: { error: 'bad_request', reason } }, path)
  t.same((await ask(server, `GET ${CONFIG}/${path}`)).json, before, `${path} is as it was`)
}

async function taken(t: Tap, server: TestServer, path: string, text: string) {
  t.match(await put(server, path, text), { status: 200 }, path)
}

t.test('certificates', async (t) => {
  const { cert, key } = makeCertificate()
  const folder = t.testdir({
    'cert.pem': cert,
    'key.pem': key,
    'other.pem': makeCertificate().key,
    'text.pem': 'no certificate',
  })
  const server = await started(t)
  await refused(t, server, 'ssl/enable', 'true', /\[ssl\] enable needs \[ssl\] cert_file/)
  await taken(t, server, 'ssl/cert_file', join(folder, 'none.pem'))
  await taken(t, server, 'ssl/key_file', join(folder, 'other.pem'))
  await refused(t, server, 'ssl/enable', 'true', /\[ssl\] cert_file: ENOENT/)
  await taken(t, server, 'ssl/cert_file', join(folder, 'text.pem'))
  await refused(t, server, 'ssl/enable', 'true', /\[ssl\] cannot be used: /)
  await taken(t, server, 'ssl/cert_file', join(folder, 'cert.pem'))
  await refused(t, server, 'ssl/enable', 'true', /\[ssl\] cannot be used: .*mismatch/)
  await taken(t, server, 'ssl/key_file', join(folder, 'key.pem'))
  await taken(t, server, 'ssl/enable', 'true')
  await refused(t, server, 'ssl/key_file', join(folder, 'other.pem'), /mismatch/)
  await refused(t, server, 'ssl/verify_certificate', 'true', /needs the authorities of \[ssl\] cacert_file/)
  await refused(t, server, 'ssl/cacert_file', join(folder, 'none.pem'), /\[ssl\] cacert_file: ENOENT/)
  await refused(t, server, 'ssl/ciphers', 'NONE-SUCH', /\[ssl\] cannot be used/)
  t.equal((await ask(server, `DELETE ${CONFIG}/ssl/cert_file`)).status, 400)
  await refused(t, server, 'replicator/ssl_trusted_certificates_file', join(folder, 'none.pem'), /ENOENT/)
  await refused(t, server, 'replicator/ssl_trusted_certificates_file', join(folder, 'text.pem'), /\w/)
  await taken(t, server, 'replicator/ssl_trusted_certificates_file', join(folder, 'cert.pem'))
  // What cannot be used already may be mended in steps.
  rmSync(join(folder, 'key.pem'))
  await taken(t, server, 'ssl/key_file', join(folder, 'other.pem'))
})

t.test('what is listened on', async (t) => {
  // Short enough for the name of a socket.
  const folder = mkdtempSync(join(tmpdir(), 'davenport-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'file'), 'precious')
  const server = await started(t)
  const socket = 'davenport/unix_socket'
  await refused(t, server, socket, join(folder, 'none', 's'), /\[davenport\] unix_socket: ENOENT/)
  await refused(t, server, socket, join(folder, 'file'), /is there already, and is no socket/)
  await refused(t, server, socket, join(folder, 'file', 's'), /ENOTDIR|is no folder/)
  await refused(t, server, socket, `/${'x'.repeat(90)}`, /at most 90 bytes/)
  await refused(t, server, 'chttpd/bind_address', '192.0.2.1', /\[chttpd\] 192\.0\.2\.1:0: .*EADDRNOTAVAIL/)
  await refused(t, server, 'chttpd/bind_address', 'any,127.0.0.1', /overlap/)
  await refused(t, server, 'chttpd/bind_address', '::,127.0.0.1', /overlap/)
  await taken(t, server, 'chttpd/bind_address', 'any,::')
  await taken(t, server, 'prometheus/bind_address', '192.0.2.1')
  await refused(t, server, 'prometheus/additional_port', 'true', /\[prometheus\] 192\.0\.2\.1:17986/)
  await taken(t, server, 'prometheus/bind_address', '127.0.0.1')
  await taken(t, server, 'prometheus/port', String(server.http.port))
  // One that is listened on already, by this server, is free by the next start.
  await taken(t, server, 'prometheus/additional_port', 'true')
})

t.test('ports of one address', async (t) => {
  const { cert, key } = makeCertificate()
  const folder = t.testdir({ 'cert.pem': cert, 'key.pem': key })
  const server = await started(t)
  await taken(t, server, 'ssl/cert_file', join(folder, 'cert.pem'))
  await taken(t, server, 'ssl/key_file', join(folder, 'key.pem'))
  await taken(t, server, 'ssl/port', '17986')
  await taken(t, server, 'ssl/enable', 'true')
  const reason = /\[ssl\] 127\.0\.0\.1:17986 and \[prometheus\] 127\.0\.0\.1:17986 cannot both/
  await refused(t, server, 'prometheus/additional_port', 'true', reason)
  await taken(t, server, 'prometheus/bind_address', '127.0.0.2')
  await taken(t, server, 'prometheus/additional_port', 'true')
})

t.test('the file of the log', async (t) => {
  const folder = t.testdir()
  const server = await started(t)
  await taken(t, server, 'log/file', join(folder, 'none', 'log'))
  await refused(t, server, 'log/writer', 'file', /\[log\] file: ENOENT/)
  await taken(t, server, 'log/file', join(folder, 'log'))
  await taken(t, server, 'log/writer', 'file')
  await refused(t, server, 'log/file', folder, /\[log\] file: .* is a folder/)
})

t.test('files that are read anew', async (t) => {
  const server = await started(t)
  const path = join(server.folder, 'local.ini')
  const reload = () => ask(server, `POST ${CONFIG}/_reload`, { json: {} })
  const cases: [string, RegExp][] = [
    ['[davenport]\nunix_socket = /none-such/s', /\[davenport\] unix_socket: ENOENT/],
    ['[ssl]\nenable = true\ncert_file = /none-such\nkey_file = /none-such', /\[ssl\] cert_file: ENOENT/],
    ['[chttpd]\nbind_address = any,127.0.0.1', /overlap/],
    ['[log]\nwriter = file\nfile = /none-such/log', /\[log\] file: ENOENT/],
  ]
  for (const [text, reason] of cases) {
    writeFileSync(path, `[uuids]\nmax_count = 5\n${text}\n`)
    t.match(await reload(), { status: 400, json: { error: 'bad_request', reason } })
    t.equal((await ask(server, 'GET /_uuids?count=6')).status, 200, 'nothing of it holds')
  }
  writeFileSync(path, '[uuids]\nmax_count = 5\n')
  t.match(await reload(), { status: 200 })
  t.equal((await ask(server, 'GET /_uuids?count=6')).status, 400)
  // Where the server could not be started before, either, the files are taken: they may be on their way to what can be used.
  const folder = mkdtempSync(join(tmpdir(), 'davenport-'))
  await taken(t, server, 'davenport/unix_socket', join(folder, 's'))
  rmSync(folder, { recursive: true })
  writeFileSync(path, `[uuids]\nmax_count = 6\n[davenport]\nunix_socket = ${join(folder, 'other', 's')}\n`)
  t.match(await reload(), { status: 200 })
  t.equal((await ask(server, 'GET /_uuids?count=6')).status, 200)
})

t.test('at SIGHUP the log says why', async (t) => {
  const dataDir = t.testdir({ 'local.ini': '' })
  const server = startServerProcess({ dataDir })
  await server.port
  writeFileSync(join(dataDir, 'local.ini'), '[davenport]\nunix_socket = /none-such/s\n')
  server.child.process.kill('SIGHUP')
  await until('it is told', () => /stays as it was.*unix_socket: ENOENT/.test(server.child.err))
  await server.kill()
})

t.test('the start says it in one line', async (t) => {
  const cases: [string, RegExp][] = [
    ['[davenport]\nunix_socket = /none-such/s', /\[davenport\] unix_socket: ENOENT/],
    ['[ssl]\nenable = true\ncert_file = /none-such\nkey_file = /none-such', /\[ssl\] cert_file: ENOENT/],
    ['[chttpd]\nbind_address = any,127.0.0.1', /overlap/],
    [
      '[prometheus]\nadditional_port = true\nbind_address = 192.0.2.1',
      /192\.0\.2\.1:17986: .*no such address/,
    ],
  ]
  for (const [text, expected] of cases) {
    const dataDir = t.testdir({ 'local.ini': `${text}\n` })
    const { child } = startServerProcess({ dataDir })
    t.not(await child.ended, 0)
    t.match(child.err, expected)
    t.equal(child.err.trim().split('\n').length, 1, child.err)
  }
})

t.test('a socket is made in the folder that it is to be in', async (t) => {
  const path = join(t.testdir(), 'none', 's')
  await t.rejects(listenOnFile(createServer(), { path, mode: 0o600 }), { code: 'ENOENT', syscall: 'mkdtemp' })
})
