/** Who is told of a write while he follows: those who may see it, and nobody else. */
import t, { type Test } from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(60_000)

const SYNC = `function (doc) {
  channel(doc.channels);
  if (doc.to) access(doc.to, doc.grants);
  if (doc.appoints) role(doc.appoints, 'role:' + doc.role);
}`
const PASSWORD = 'password'

/** A continuous feed as text. */
class Follower {
  #text = ''
  readonly #leave = new AbortController()

  async open(server: GatewayServer, as: string, query = ''): Promise<this> {
    const url = `${server.publicUrl}/db/_changes?feed=continuous&since=0&heartbeat=60000${query}`
    const authorization = `Basic ${Buffer.from(`${as}:${PASSWORD}`).toString('base64')}`
    const { body } = await fetch(url, { headers: { authorization }, signal: this.#leave.signal })
    void this.#read(body!).catch(() => {})
    await until('it has all that there was', () => this.#text.endsWith('\n\n') || this.#text === '\n')
    return this
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of body) this.#text += Buffer.from(chunk).toString()
  }

  /** Bytes so far. */
  get length(): number {
    return this.#text.length
  }

  hears(id: string): Promise<void> {
    return until(`the row of ${id}`, () => this.#text.includes(`"id":"${id}"`))
  }

  row(id: string): Record<string, unknown> | undefined {
    const line = this.#text.split('\n').findLast((each) => each.includes(`"id":"${id}"`))
    return line === undefined ? undefined : JSON.parse(line)
  }

  close(): void {
    this.#leave.abort()
  }
}

async function begun(t: Test) {
  const user = (channels: string[]) => ({ password: PASSWORD, admin_channels: channels })
  const users = { ann: user(['red']), bob: user(['blue']), all: user(['*']) }
  const roles = { greens: { admin_channels: ['green'] } }
  const server = await GatewayServer.start(t.testdir(), { databases: { db: { sync: SYNC, users, roles } } })
  const followers: Follower[] = []
  t.teardown(async () => {
    for (const follower of followers) follower.close()
    await server.stop()
  })
  const follow = async (as: string, query?: string): Promise<Follower> => {
    const follower = await new Follower().open(server, as, query)
    followers.push(follower)
    return follower
  }
  const put = async (id: string, body: object): Promise<string> => {
    const { status, json } = await server.admin(`PUT /db/${id}`, { body })
    t.equal(status, 201)
    return json.rev
  }
  return { server, follow, put, ann: await follow('ann'), bob: await follow('bob'), all: await follow('all') }
}

t.test('a write wakes those who have its channels, and nobody else', async (t) => {
  const { follow, put, ann, bob, all } = await begun(t)
  const blueOnly = await follow('all', '&filter=sync_gateway/bychannel&channels=blue')
  const before = { bob: bob.length, blueOnly: blueOnly.length }
  const rev = await put('one', { channels: ['red'] })
  await Promise.all([ann.hears('one'), all.hears('one')])
  await put('none', {})
  await all.hears('none')
  t.same({ bob: bob.length, blueOnly: blueOnly.length }, before, 'not a byte went to the others')

  await put('one', { _rev: rev, channels: ['blue'] })
  await Promise.all([bob.hears('one'), blueOnly.hears('one')])
  await until('ann hears that it left', () => ann.row('one')?.['removed'] !== undefined)
  t.notOk(ann.row('none'))
})

t.test('who is granted a channel hears of what is in it, and of what comes later', async (t) => {
  const { server, put, ann, bob, all } = await begun(t)
  await put('early', { channels: ['red', 'green'] })
  await all.hears('early')
  const granting = await put('granting', { to: 'bob', grants: 'red' })
  await bob.hears('early')
  await put('later', { channels: ['red'] })
  await bob.hears('later')

  await put('granting', { _rev: granting })
  await put('secret', { channels: ['red'] })
  await ann.hears('secret')
  await put('public', { channels: ['!'] })
  await bob.hears('public')
  t.notOk(bob.row('secret'), 'what was granted was taken away')

  await put('appointing', { appoints: 'bob', role: 'greens' })
  await until('bob has the role', () => String(bob.row('early')?.['seq']).includes(':'))
  await put('greener', { channels: ['green'] })
  await bob.hears('greener')
  const body = { name: 'bob', password: PASSWORD, admin_channels: ['white'] }
  t.equal((await server.admin('PUT /db/_user/bob', { body })).status, 200)
  await put('white', { channels: ['white'] })
  await bob.hears('white')
  await put('blue', { channels: ['blue'] })
  await put('end', { channels: ['green'] })
  await bob.hears('end')
  t.notOk(bob.row('blue'))
})
