/** Peers that are not what they should be, hosts that must not be reached, and whose rights a replication has. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call } from '../support/replicated.ts'

t.setTimeout(300_000)

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function server(t: Test, config: Record<string, string> = {}): Promise<TestServer> {
  const started = await startTestServer({
    config: { DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '1', ...config },
  })
  t.teardown(() => started.stop(0))
  await call(started.url, 'PUT', '/own')
  return started
}

/** As somebody who is no administrator. */
async function asUser({ url }: TestServer, name: string): Promise<string> {
  const user = { name, password: 'pass', roles: [], type: 'user' }
  await call(url, 'PUT', `/_users/org.couchdb.user:${name}`, user)
  return url.replace('admin:secret@', `${name}:pass@`)
}

const JSON_TYPE = { 'content-type': 'application/json' }

t.test('hostile answers end, and hold nothing', async (t) => {
  const kinds: Record<string, RequestListener> = {
    'an endless body': (_request, answer) => {
      answer.writeHead(200, JSON_TYPE)
      const more = (): void => {
        while (answer.write('"'.padEnd(65_536, 'x')));
        answer.once('drain', more)
      }
      answer.on('error', () => undefined)
      more()
    },
    'a trickle': (_request, answer) => {
      answer.writeHead(200, JSON_TYPE)
      const timer = setInterval(() => answer.write(' '), 20)
      answer.on('close', () => clearInterval(timer))
    },
    'no answer': () => {},
    'a length that lies': (_request, answer) => {
      answer.writeHead(200, { ...JSON_TYPE, 'content-length': '1000' })
      answer.end('{}')
    },
    'no JSON': (_request, answer) => void answer.writeHead(200, JSON_TYPE).end('<html>'),
    'redirects in a circle': (request, answer) =>
      void answer.writeHead(302, { location: request.url! }).end(),
    'a redirect to a file': (_request, answer) =>
      void answer.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    'headers without end': (_request, answer) => {
      answer.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}`)
    },
  }
  const own = await server(t)
  for (const [kind, listener] of Object.entries(kinds)) {
    const peer = await serve(t, listener)
    const source = { url: `${peer.replace('://', '://user:hidden@')}/db`, headers: { 'x-token': 'hidden' } }
    const { status, body } = await call(own.url, 'POST', '/_replicate', {
      source,
      target: 'own',
      connection_timeout: 300,
    })
    t.ok(status >= 400, `${kind}: ${status} ${JSON.stringify(body)}`)
    t.notMatch(JSON.stringify(body), /hidden|passwd/, kind)
  }
  t.notMatch(own.lines.join(''), /hidden/)
  t.same((await call(own.url, 'GET', '/_active_tasks')).body, [])
})

t.test('a peer that takes the session away is signed in to again', async (t) => {
  let logins = 0
  let asked = 0
  const seen: (string | undefined)[] = []
  const peer = await serve(t, (request, answer) => {
    if (request.url === '/_session') {
      logins += 1
      request.resume()
      answer
        .writeHead(200, { ...JSON_TYPE, 'set-cookie': `AuthSession=number-${logins}; Path=/` })
        .end('{"ok":true}')
      return
    }
    seen.push(request.headers.cookie)
    asked += 1
    if (asked === 2) answer.writeHead(401, JSON_TYPE).end('{}')
    else if (request.url?.startsWith('/db/_changes') === true) {
      answer.writeHead(200, JSON_TYPE).end('{"results":[],"last_seq":"5-x","pending":0}')
    } else if (request.url === '/db') {
      answer.writeHead(200, JSON_TYPE).end('{"update_seq":"5-x","instance_start_time":"0"}')
    } else if (request.method === 'PUT') answer.writeHead(201, JSON_TYPE).end('{"ok":true,"rev":"0-1"}')
    else if (request.method === 'POST')
      answer.writeHead(201, JSON_TYPE).end('{"ok":true,"instance_start_time":"0"}')
    else answer.writeHead(404, JSON_TYPE).end('{}')
  })
  const own = await server(t)
  const source = `${peer.replace('://', '://user:pass@')}/db`
  const { status, body } = await call(own.url, 'POST', '/_replicate', { source, target: 'own' })
  t.equal(status, 200, JSON.stringify(body))
  t.equal(logins, 2)
  t.same(seen.slice(0, 3), ['AuthSession=number-1', 'AuthSession=number-1', 'AuthSession=number-2'])
})

t.test('what only the server can reach is not for others than administrators', async (t) => {
  let reached = 0
  const peer = await serve(t, (_request, answer) => {
    reached += 1
    answer.writeHead(404).end()
  })
  const own = await server(t)
  const user = await asUser(own, 'joe')
  await call(own.url, 'PUT', '/own/_security', {})
  const { port } = new URL(peer)
  const hosts = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0x7f.1',
    '2130706433',
    '169.254.169.254',
  ]
  for (const host of hosts) {
    const source = `http://${host}:${port}/db`
    const { status, body } = await call(user, 'POST', '/_replicate', { source, target: 'own' })
    t.equal(status, 403, `${host}: ${JSON.stringify(body)}`)
  }
  const proxied = { source: 'http://example.invalid/db', target: 'own', source_proxy: peer }
  t.ok((await call(user, 'POST', '/_replicate', proxied)).status >= 400)
  t.equal(reached, 0)
  t.equal((await call(own.url, 'POST', '/_replicate', { source: `${peer}/db`, target: 'own' })).status, 404)
  t.ok(reached > 0, 'an administrator may')
})

t.test('a database of this server is used as whoever asks may', async (t) => {
  const own = await server(t)
  const user = await asUser(own, 'joe')
  await call(own.url, 'PUT', '/open')
  await call(own.url, 'PUT', '/open/_security', {})
  await call(own.url, 'PUT', '/own/a', { n: 1 })
  await call(own.url, 'PUT', '/own/_security', { members: { names: ['ann'] } })
  const ask = (source: string, target: string) => call(user, 'POST', '/_replicate', { source, target })
  t.equal((await ask('own', 'open')).status, 403)
  t.equal((await ask('open', 'own')).status, 403)
  t.equal((await ask('_users', 'open')).status, 403)
  t.equal((await ask('open', 'made-by-nobody')).status, 404)
  await call(own.url, 'PUT', '/own/_security', { members: { names: ['joe'] } })
  const validate =
    'function (doc, old, user) { if (doc.n !== 1 || user.name !== "joe") throw({ forbidden: "no" }) }'
  await call(own.url, 'PUT', '/open/_design/v', { validate_doc_update: validate })
  await call(own.url, 'PUT', '/own/b', { n: 2 })
  await call(own.url, 'PUT', '/own/_design/d', { views: {} })
  const { body } = await ask('own', 'open')
  t.match((body['history'] as unknown[])[0], { docs_read: 3, docs_written: 1, doc_write_failures: 2 })
  const anonymous = own.url.replace('admin:secret@', '')
  const answer = await fetch(`${anonymous}/_replicate`, { method: 'POST', headers: JSON_TYPE, body: '{}' })
  t.equal(answer.status, 401)
})

t.test('one that somebody else began is not ended, nor waited for', async (t) => {
  const own = await server(t)
  const [joe, ann] = [await asUser(own, 'joe'), await asUser(own, 'ann')]
  for (const name of ['a', 'b']) {
    await call(own.url, 'PUT', `/${name}`)
    await call(own.url, 'PUT', `/${name}/_security`, {})
  }
  const job = { source: 'a', target: 'b', continuous: true }
  const { body } = await call(joe, 'POST', '/_replicate', job)
  t.equal((await call(ann, 'POST', '/_replicate', { cancel: true, id: body['_local_id'] })).status, 401)
  t.equal((await call(own.url, 'POST', '/_replicate', { cancel: true, id: body['_local_id'] })).status, 200)
})
