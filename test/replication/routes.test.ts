/** How peers are reached: by TLS, whose certificates are verified, and by proxies, which have passwords of their own. */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { makeCertificate } from '../support/certificate.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

const DOCUMENTS = 30
const ATTACHMENT = Buffer.alloc(300_000, 'attached').toString('base64')

async function listening(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

async function started(t: Test, config: Record<string, string> = {}): Promise<TestServer> {
  const server = await startTestServer({
    config: { DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '1', ...config },
  })
  t.teardown(() => server.stop(0))
  return server
}

async function filled(t: Test): Promise<TestServer> {
  const server = await started(t)
  await call(server.url, 'PUT', '/db')
  const docs = Array.from({ length: DOCUMENTS }, (_, at) => ({ _id: `d${at}`, at }))
  const attached = { _id: 'attached', _attachments: { a: { content_type: 'image/png', data: ATTACHMENT } } }
  await call(server.url, 'POST', '/db/_bulk_docs', { docs: [...docs, attached] })
  return server
}

function portOf({ url }: TestServer): number {
  return Number(new URL(url).port)
}

/** Hands a request on to `port`. */
function relay(
  incoming: IncomingMessage,
  answer: import('node:http').ServerResponse,
  port: number,
  path: string,
): void {
  const { method, headers } = incoming
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers }, (head) => {
    answer.writeHead(head.statusCode!, head.headers)
    head.pipe(answer)
  })
  outgoing.on('error', () => answer.destroy())
  answer.on('error', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

/** Replicates there and back, and compares. */
async function thereAndBack(
  t: Test,
  own: TestServer,
  peer: TestServer,
  url: string,
  rest: object,
): Promise<void> {
  const name = `copy-${randomUUID()}`
  const pulled = await call(own.url, 'POST', '/_replicate', {
    source: `${url}/db`,
    target: name,
    create_target: true,
    ...rest,
  })
  t.equal(pulled.status, 200, JSON.stringify(pulled.body))
  t.equal(await treesDigest(own.url, name), await treesDigest(peer.url, 'db'))
  const pushed = await call(own.url, 'POST', '/_replicate', {
    source: name,
    target: `${url}/${name}-back`,
    create_target: true,
    ...Object.fromEntries(
      Object.entries(rest).map(([key, value]) => [key.replace('source', 'target'), value]),
    ),
  })
  t.equal(pushed.status, 200, JSON.stringify(pushed.body))
  t.equal(await treesDigest(peer.url, `${name}-back`), await treesDigest(peer.url, 'db'))
}

t.test('certificates are verified: by those of a file, or not at all where that is said', async (t) => {
  const authority = makeCertificate({ name: 'an authority' })
  const peer = await filled(t)
  const secure = async (certificate: { cert: string; key: string }): Promise<string> => {
    const server = createTlsServer(certificate, (incoming, answer) =>
      relay(incoming, answer, portOf(peer), incoming.url!),
    )
    return `https://admin:secret@127.0.0.1:${await listening(t, server)}`
  }
  const good = await secure(makeCertificate({ issuer: authority }))
  const old = await secure(makeCertificate({ issuer: authority, days: -1 }))
  const selfMade = await secure(makeCertificate())
  const file = `${t.testdir()}/authorities.pem`
  await writeFile(file, authority.cert)

  const refused = async (own: TestServer, url: string): Promise<void> => {
    const body = { source: `${url}/db`, target: 'none', create_target: true }
    const failed = await call(own.url, 'POST', '/_replicate', body)
    t.ok(failed.status >= 500, JSON.stringify(failed.body))
    t.match(failed.body['reason'], /CERT|SELF_SIGNED|VERIFY/)
    t.notMatch(JSON.stringify(failed.body), /secret/)
  }
  const usual = await started(t)
  for (const url of [good, old, selfMade]) await refused(usual, url)
  const trusting = await started(t, { DAVENPORT_REPLICATOR__SSL_TRUSTED_CERTIFICATES_FILE: file })
  await thereAndBack(t, trusting, peer, good, {})
  for (const url of [old, selfMade]) await refused(trusting, url)
  const careless = await started(t, { DAVENPORT_REPLICATOR__VERIFY_SSL_CERTIFICATES: 'false' })
  await thereAndBack(t, careless, peer, selfMade, {})
})

t.test('through a proxy by HTTP, by CONNECT and by SOCKS, with its password', async (t) => {
  const peer = await filled(t)
  const own = await started(t, { DAVENPORT_REPLICATOR__VERIFY_SSL_CERTIFICATES: 'false' })
  const expected = `Basic ${Buffer.from('who:hidden').toString('base64')}`
  const used: string[] = []
  const refusals: string[] = []
  const proxy = createHttpServer((incoming, answer) => {
    if (incoming.headers['proxy-authorization'] !== expected) {
      refusals.push(incoming.url!)
      incoming.resume()
      answer.writeHead(407).end()
      return
    }
    used.push(incoming.url!)
    const { port, pathname, search } = new URL(incoming.url!)
    relay(incoming, answer, Number(port), pathname + search)
  })
  proxy.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    if (incoming.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 No\r\n\r\n')
      return
    }
    used.push(`CONNECT ${incoming.url}`)
    const onward = connect(Number(incoming.url!.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    for (const each of [socket, onward]) each.on('error', () => socket.destroy() && onward.destroy())
  })
  const at = `127.0.0.1:${await listening(t, proxy)}`
  const plain = `http://admin:secret@127.0.0.1:${portOf(peer)}`
  await thereAndBack(t, own, peer, plain, { source_proxy: `http://who:hidden@${at}` })
  t.ok(used.some((url) => url.includes('/db/_changes')))
  t.ok(used.some((url) => url.includes('/_bulk_docs')))

  const tls = createTlsServer(makeCertificate(), (incoming, answer) =>
    relay(incoming, answer, portOf(peer), incoming.url!),
  )
  const securePort = await listening(t, tls)
  await thereAndBack(t, own, peer, `https://admin:secret@127.0.0.1:${securePort}`, {
    source_proxy: `http://who:hidden@${at}`,
  })
  t.ok(used.includes(`CONNECT 127.0.0.1:${securePort}`))

  const socks = await listening(t, socksServer(used))
  await thereAndBack(t, own, peer, plain, { source_proxy: `socks5://who:hidden@127.0.0.1:${socks}` })
  t.ok(used.some((each) => each.startsWith('SOCKS')))

  const failed = await call(own.url, 'POST', '/_replicate', {
    source: `${plain}/db`,
    target: 'none',
    create_target: true,
    source_proxy: `http://who:wrong@${at}`,
  })
  t.ok(failed.status >= 400, JSON.stringify(failed.body))
  t.ok(refusals.length > 0)
  t.notMatch(JSON.stringify(failed.body) + own.lines.join(''), /hidden|wrong|secret/)
})

/** RFC 1928 and 1929: names and passwords, and connections to IPv4 addresses and names. */
function socksServer(used: string[]): Server {
  return createServer((socket) => {
    let step = 0
    socket.on('data', function read(data: Buffer) {
      step += 1
      if (step === 1) socket.write(Buffer.of(5, data.subarray(2).includes(2) ? 2 : 0xff))
      else if (step === 2) socket.write(Buffer.of(1, data.toString('latin1').includes('hidden') ? 0 : 1))
      else {
        socket.off('data', read)
        const port = data.readUInt16BE(data.length - 2)
        used.push(`SOCKS ${port}`)
        const onward = connect(port, '127.0.0.1', () => {
          socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0))
          onward.pipe(socket).pipe(onward)
        })
        onward.on('error', () => socket.destroy())
        socket.on('error', () => onward.destroy())
      }
    })
  })
}
