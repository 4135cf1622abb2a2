/** Connections are bounded in number, and one client's address does not keep others out, in one thread and in several. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectSecure } from 'node:tls'
import t from 'tap'
import { ByNetwork } from '../../src/http/listen/by-network.ts'
import { makeCertificate } from '../support/certificate.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(300_000)

const MANY = '127.0.0.2'
const FEW = '127.0.0.3'
/** Of a thread. */
const MOST = 8

/** The status, or what the connection came to. */
function statusFrom(port: number, localAddress: string, isSecure: boolean): Promise<number | string> {
  return new Promise((resolve) => {
    const request = isSecure ? secureRequest : plainRequest
    const options = { host: '127.0.0.1', port, localAddress, agent: false, rejectUnauthorized: false }
    const sent = request({ ...options, path: '/_up' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    sent.end()
  })
}

for (const threads of [0, 2]) {
  for (const isSecure of [false, true]) {
    t.test(`${threads} threads, ${isSecure ? 'HTTPS' : 'HTTP'}`, { timeout: 120_000 }, async (t) => {
      const folder = t.testdir()
      const { cert, key } = makeCertificate()
      writeFileSync(join(folder, 'cert.pem'), cert)
      writeFileSync(join(folder, 'key.pem'), key)
      const most = MOST * Math.max(1, threads)
      const server = await startTestServer({
        threads,
        config: {
          DAVENPORT_CHTTPD__MAX_CONNECTIONS: String(most),
          DAVENPORT_SSL__ENABLE: 'true',
          DAVENPORT_SSL__PORT: '0',
          DAVENPORT_SSL__CERT_FILE: join(folder, 'cert.pem'),
          DAVENPORT_SSL__KEY_FILE: join(folder, 'key.pem'),
        },
      })
      t.teardown(() => server.stop())
      await ask(server, 'PUT /public')
      await ask(server, 'PUT /public/_security', { json: {} })
      const port = isSecure ? server.securePort : server.http.port
      const sockets: Socket[] = []
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
      })
      const isOpen = (socket: Socket): boolean => !socket.closed
      /** Feeds: none of them is idle. Resolves when each is there, or closed. */
      const follow = async (count: number, localAddress: string): Promise<Socket[]> => {
        const added: Socket[] = []
        for (let n = 0; n < count; n++) {
          const options = { host: '127.0.0.1', port, localAddress, rejectUnauthorized: false }
          const socket = isSecure ? connectSecure(options) : connect(options)
          socket.on('error', () => undefined)
          socket.write('GET /public/_changes?feed=continuous&heartbeat=1000 HTTP/1.1\r\nHost: x\r\n\r\n')
          added.push(socket)
          sockets.push(socket)
          await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => undefined)
        }
        return added
      }
      const ofMany = await follow(3 * most, MANY)
      await until('those beyond are closed', () => ofMany.filter(isOpen).length <= most)
      // A thread that has no room does not know of room in another one.
      await until('there is no room', async () => {
        ofMany.push(...(await follow(1, MANY)))
        return ofMany.filter(isOpen).length === most
      })
      t.ok(isOpen(ofMany[0]!), 'whoever has all takes nothing from himself by more of them')
      t.not(await statusFrom(port, MANY, isSecure), 200)

      for (let n = 0; n < 2 * most; n++)
        t.equal(await statusFrom(port, FEW, isSecure), 200, 'others are let in')
      t.notOk(isOpen(ofMany[0]!), 'the oldest of who had most is closed')
      const ofFew: Socket[] = []
      await until('both have about as many', async () => {
        ofFew.push(...(await follow(1, FEW)))
        return ofFew.filter(isOpen).length >= most / 2 - threads
      })
      t.ok(ofMany.filter(isOpen).length >= most / 2 - threads)
      t.equal(
        server.lines.filter((line) => /"level":"(error|warning)"/.test(line)).length,
        0,
        server.lines.join(''),
      )
    })
  }
}

t.test('the network that has most is known whatever comes and goes', async (t) => {
  const all = new ByNetwork<number>()
  const model = new Map<number, string>()
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 48_271) % 0x7fff_ffff
    return seed % below
  }
  for (let n = 0; n < 5000; n++) {
    const network = `n${random(1 + random(20))}`
    const kind = random(5)
    if (kind < 3) {
      all.add(network, n)
      model.set(n, network)
    } else if (kind === 3 && model.size > 0) {
      const [item, of] = [...model][random(model.size)]!
      if (!all.delete(of, item) || all.delete(of, item)) t.fail('what is there goes once')
      model.delete(item)
    } else {
      const sizes = new Map<string, number>()
      for (const each of model.values()) sizes.set(each, (sizes.get(each) ?? 0) + 1)
      const most = Math.max(0, ...sizes.values())
      if (all.most !== most) t.equal(all.most, most)
      const oldest = all.takeOldestOfMost()
      if (oldest !== undefined) {
        const of = model.get(oldest)!
        if (sizes.get(of) !== most) t.fail(`${of} has not most`)
        const [first] = [...model].find(([, each]) => each === of)!
        if (first !== oldest) t.equal(oldest, first, 'the oldest')
        model.delete(oldest)
      } else if (model.size > 0) t.fail('nothing was taken')
    }
    if (all.count !== model.size) t.equal(all.count, model.size)
    const count = [...model.values()].filter((each) => each === network).length
    if (all.countOf(network) !== count) t.equal(all.countOf(network), count)
  }
  t.ok(model.size > 100)
})
