/** One socket, listened on through descriptors that end one by one. */
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import t from 'tap'
import { ListeningSocket } from '../../src/threads/listening-socket.ts'

const at = (port: number) => ({ host: '127.0.0.1', port, ipv6Only: false, isSecure: false })

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [data] = (await once(socket, 'data')) as [Buffer]
    return data.toString() === 'hello'
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function listenOn(fd: number): Promise<Server> {
  const server = createServer((socket) => socket.end('hello'))
  server.listen({ fd })
  await once(server, 'listening')
  return server
}

t.test('a descriptor that is closed leaves the others', async (t) => {
  const socket = await ListeningSocket.open(at(0))
  const servers: Server[] = []
  for (const fd of await socket.descriptors(3)) servers.push(await listenOn(fd))
  for (const server of servers.slice(0, 2)) {
    t.ok(await accepts(socket.port!))
    server.close()
    await once(server, 'close')
  }
  t.ok(await accepts(socket.port!), 'the last one goes on')
  const [another] = await socket.descriptors(1)
  const replacement = await listenOn(another!)
  servers[2]!.close()
  await once(servers[2]!, 'close')
  t.ok(await accepts(socket.port!), 'so does one that came later')
  replacement.close()
  await once(replacement, 'close')
  await socket.close()
  t.notOk(await accepts(socket.port!), 'nobody listens any more')
})

t.test('a port that is taken is refused', async (t) => {
  const socket = await ListeningSocket.open(at(0))
  await t.rejects(ListeningSocket.open(at(socket.port!)), { code: 'EADDRINUSE' })
  await socket.close()
})
