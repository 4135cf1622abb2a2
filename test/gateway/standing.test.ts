/** What goes on for long is for who still is signed in: each feed, and each answer that is read as its client takes it. */
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { GatewayServer } from '../support/gateway-server.ts'
import { until } from '../support/until.ts'

type Headers = Record<string, string>

/** What a client has read. */
interface Following {
  text(): string
  /** Resolves when it is over. */
  over: Promise<void>
  leave(): void
}

function follow(server: GatewayServer, path: string, headers: Headers): Following {
  let text = ''
  const sent = request(server.publicUrl + path, { headers })
  const over = new Promise<void>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      response.on('error', () => undefined)
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('close', resolve)
    })
  })
  sent.end()
  return { text: () => text, over, leave: () => sent.destroy() }
}

function followSocket(server: GatewayServer, path: string, headers: Headers): Following {
  let text = ''
  const socket = new WebSocket(server.publicUrl.replace('http', 'ws') + path, { headers })
  const over = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => socket.send('{"include_docs":true}'))
    socket.on('message', (data) => {
      text += `${String(data)}\n`
    })
    socket.on('close', () => resolve())
  })
  return { text: () => text, over, leave: () => socket.terminate() }
}

const basic = (text: string): Headers => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
})

const ANN = { name: 'ann', password: 'apple', admin_channels: ['*'] }

async function done(answer: Promise<{ status: number; text: string }>): Promise<void> {
  const { status, text } = await answer
  if (status >= 300) throw new Error(`${status}: ${text}`)
}

async function signIn(server: GatewayServer): Promise<Headers> {
  const { headers } = await server.ask('POST /db/_session', { body: { name: 'ann', password: 'apple' } })
  return { cookie: headers.get('set-cookie')!.split(';')[0]! }
}

/** The header of a token of the gateway's own provider, which is over `seconds` from now. */
async function token(server: GatewayServer, seconds: number): Promise<Headers> {
  const [client, redirect] = ['client_id=c', 'redirect_uri=http%3A%2F%2Flocalhost%2F']
  const path = `/db/_oidc_testing/authenticate?${client}&${redirect}&scope=openid`
  // A minute by which clocks may differ is added to what a token says.
  const form = `username=ann&authenticated=yes&tokenttl=${seconds - 60}`
  const { headers } = await server.ask(`POST ${path}`, { text: form })
  const code = new URL(headers.get('location')!).searchParams.get('code')!
  const text = `grant_type=authorization_code&code=${code}`
  const { json } = await server.ask('POST /db/_oidc_testing/token', { text })
  return { authorization: `Bearer ${json.id_token}` }
}

interface Case {
  readonly what: string
  readonly headers: (server: GatewayServer) => Headers | Promise<Headers>
  /** What takes the right away. */
  readonly change: (server: GatewayServer, headers: Headers) => Promise<unknown>
}

const CASES: readonly Case[] = [
  {
    what: 'another password',
    headers: () => basic('ann:apple'),
    change: (server) => done(server.admin('PUT /db/_user/ann', { body: { ...ANN, password: 'pear' } })),
  },
  {
    what: 'another password, with a session',
    headers: signIn,
    change: (server) => done(server.admin('PUT /db/_user/ann', { body: { ...ANN, password: 'pear' } })),
  },
  {
    what: 'a session that was ended by its user',
    headers: signIn,
    change: (server, headers) => done(server.ask('DELETE /db/_session', { headers })),
  },
  {
    what: 'sessions that were ended by an administrator',
    headers: signIn,
    change: (server) => done(server.admin('DELETE /db/_user/ann/_session')),
  },
  {
    what: 'disabled',
    headers: () => basic('ann:apple'),
    change: (server) => done(server.admin('PUT /db/_user/ann', { body: { ...ANN, disabled: true } })),
  },
  {
    what: 'deleted, and another one of that name',
    headers: () => basic('ann:apple'),
    change: async (server) => {
      await done(server.admin('DELETE /db/_user/ann'))
      await done(server.admin('PUT /db/_user/ann', { body: { ...ANN, password: 'pear' } }))
    },
  },
  {
    what: 'a token that is over',
    headers: (server) => token(server, 4),
    change: (server, headers) =>
      until('the token is over', async () => {
        const { status } = await server.ask('GET /db/_all_docs', { headers })
        return status === 401
      }),
  },
]

const FEEDS = ['longpoll', 'continuous', 'websocket'] as const

async function prepared(t: Test): Promise<GatewayServer> {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  const provider = { issuer: `${server.publicUrl}/db/_oidc_testing`, client_id: 'c', validation_key: 'k' }
  const oidc = { providers: { own: { ...provider, user_prefix: 'own' } } }
  const unsupported = { oidc_test_provider: { enabled: true } }
  await done(server.admin('PUT /db/', { body: { oidc, unsupported } }))
  await done(server.admin('PUT /db/_user/own_ann', { body: { ...ANN, name: 'own_ann' } }))
  return server
}

t.test('feeds', async (t) => {
  const server = await prepared(t)
  for (const { what, headers: headersOf, change } of CASES) {
    await done(server.admin('PUT /db/_user/ann', { body: ANN }))
    const headers = await headersOf(server)
    const since = (await server.admin('GET /db/')).json.update_seq
    const followings = FEEDS.map((feed) => {
      const path = `/db/_changes?feed=${feed}&include_docs=true`
      // One who has been told of all before would not wait.
      return feed === 'websocket'
        ? followSocket(server, path, headers)
        : follow(server, `${path}&since=${since}`, headers)
    })
    for (const each of followings) await until('it waits', () => each.text() !== '')
    await change(server, headers)
    await done(server.admin('POST /db/', { body: { hidden: 'text', channels: ['a'] } }))
    for (const each of followings) {
      await each.over
      t.notMatch(each.text(), /hidden/, what)
    }
    for (const { id } of (await server.admin('GET /db/_all_docs')).json.rows) {
      await done(server.admin('POST /db/_purge', { body: { [id]: ['*'] } }))
    }
  }
})

t.test('what changes nothing', async (t) => {
  const server = await prepared(t)
  await done(server.admin('PUT /db/_user/ann', { body: ANN }))
  const all = [basic('ann:apple'), await signIn(server), await token(server, 600)]
  const followings = all.map((headers) => follow(server, '/db/_changes?feed=continuous', headers))
  t.teardown(() => followings.map((each) => each.leave()))
  for (const each of followings) await until('it waits', () => each.text() !== '')
  await done(server.admin('PUT /db/_user/bob', { body: { ...ANN, name: 'bob' } }))
  await done(
    server.admin('PUT /db/_user/ann', { body: { ...ANN, password: undefined, email: 'a@b.example' } }),
  )
  await signIn(server)
  await done(server.admin('PUT /db/seen', { body: {} }))
  for (const each of followings) await until('it is told', () => each.text().includes('seen'))
  // The same password ends sessions, as in Sync Gateway, and nothing else.
  await done(server.admin('PUT /db/_user/ann', { body: ANN }))
  await done(server.admin('PUT /db/again', { body: {} }))
  const [byPassword, bySession, byToken] = followings as [Following, Following, Following]
  for (const each of [byPassword, byToken]) await until('it is told', () => each.text().includes('again'))
  await bySession.over
  t.notMatch(bySession.text(), /again/)
})

t.test('an answer that is read as its client takes it', async (t) => {
  const server = await prepared(t)
  await done(server.admin('PUT /db/_user/ann', { body: ANN }))
  const text = Buffer.alloc(24_000_000, 'x')
  await done(server.admin('PUT /db/doc/long.bin', { text, headers: { 'content-type': 'a/b' } }))
  const docs = Array.from({ length: 150 }, (_, i) => ({ _id: `d${i}`, pad: 'x'.repeat(100_000) }))
  await done(server.admin('POST /db/_bulk_docs', { body: { docs } }))
  for (const path of ['/db/doc/long.bin', '/db/_all_docs?include_docs=true']) {
    await done(server.admin('PUT /db/_user/ann', { body: ANN }))
    const bytes = await new Promise<number>((resolve, reject) => {
      const sent = request(server.publicUrl + path, { headers: basic('ann:apple') }, (response) => {
        let length = 0
        response.on('error', () => undefined)
        response.on('close', () => resolve(length))
        done(server.admin('DELETE /db/_user/ann')).then(
          () => response.on('data', (chunk: Buffer) => (length += chunk.length)),
          reject,
        )
      })
      sent.on('error', reject)
      sent.end()
    })
    t.ok(bytes > 0 && bytes < 15_000_000, `${path} ended after ${bytes} bytes`)
  }
})

t.test('a password that is changed while it is checked signs nobody in', async (t) => {
  const server = await GatewayServer.start(t.testdir(), {}, { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '600000' })
  t.teardown(() => server.stop())
  await done(server.admin('PUT /db/', { body: {} }))
  await done(server.admin('PUT /db/_user/ann', { body: { ...ANN, password: 'pear' } }))
  // The hash of an unknown password takes its time; the change needs none.
  await done(server.admin('PUT /db/_user/ann', { body: ANN }))
  const answers = ['apple', 'apple'].map((password) =>
    server.ask('POST /db/_session', { body: { name: 'ann', password } }),
  )
  const headers = basic('ann:apple')
  const read = server.ask('GET /db/_all_docs', { headers })
  await done(server.admin('DELETE /db/_user/ann'))
  for (const answer of answers) {
    const { status } = await answer
    t.equal(status, 401)
  }
  t.equal((await read).status, 401)
})
