/** Connections to the gateway are bounded, and one client's address does not keep others out. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'
import { until } from '../support/until.ts'

const MOST = 8

/** A connection from an address of this machine. */
function connectFrom(url: string, localAddress: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), localAddress })
  socket.on('error', () => undefined).resume()
  return socket
}

function statusFrom(url: string, localAddress: string): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request(`${url}/`, { localAddress, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    sent.end()
  })
}

t.test('bounded', async (t) => {
  const server = await GatewayServer.start(
    t.testdir(),
    { databases: { db: { users: { GUEST: { disabled: false, admin_channels: ['*'] } } } } },
    { DAVENPORT_CHTTPD__MAX_CONNECTIONS: String(MOST) },
  )
  t.teardown(() => server.stop())
  const { publicUrl, adminUrl } = server
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  const openCount = (): number => sockets.filter((each) => !each.closed).length
  for (let n = 0; n < 3 * MOST; n++) {
    const socket = connectFrom(publicUrl, '127.0.0.2')
    sockets.push(socket)
    await once(socket, 'connect')
    // Each follows: there is no idle one among them.
    socket.write('GET /db/_changes?feed=continuous HTTP/1.1\r\nHost: x\r\n\r\n')
  }
  await until('those beyond are closed', () => openCount() <= MOST)
  t.equal(openCount(), MOST)
  const [first] = sockets as [Socket]
  t.notOk(first.closed, 'whoever has all takes nothing from himself by more of them')
  t.equal(await statusFrom(adminUrl, '127.0.0.1'), 200, 'administrators have an address of their own')
  t.not(await statusFrom(publicUrl, '127.0.0.2'), 200)

  t.equal(await statusFrom(publicUrl, '127.0.0.3'), 200, 'others are let in')
  await until('the oldest of who had most is closed', () => first.closed)
  t.equal(openCount(), MOST - 1)
  for (let n = 0; n < 2 * MOST; n++) {
    const socket = connectFrom(publicUrl, '127.0.0.3')
    sockets.push(socket)
    await once(socket, 'connect')
  }
  await until('they have no more than the first', () => openCount() <= MOST)
  const own = sockets.filter((each) => !each.closed && each.localAddress === '127.0.0.3')
  t.equal(own.length, MOST / 2, 'both have as many')
})
