/** Ids of replications: what is and is not part of them, and the bytes that they are made of. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { ADMIN_ROLE } from '../../src/auth/user.ts'
import { parseJob, parseRequest } from '../../src/replication/job-parser.ts'
import { normalSelector } from '../../src/replication/normal-selector.ts'
import { baseId, replicationId } from '../../src/replication/replication-id.ts'

const UUID = '0123456789abcdef0123456789abcdef'
const DEFAULTS = {
  useCheckpoints: true,
  checkpointIntervalMs: 30_000,
  useBulkGet: true,
  workers: 4,
  batchSize: 500,
  connections: 20,
  timeoutMs: 30_000,
  retries: 5,
}

function idOf(body: Record<string, unknown>): string {
  const job = parseJob(body, { name: 'admin', roles: [ADMIN_ROLE] }, DEFAULTS)
  const { base, suffix } = replicationId(job, { uuid: UUID })
  return base + suffix
}

const PLAIN = { source: 'http://user:pass@a.example:5984/x', target: 'https://b.example/y/' }

t.test('the bytes are those of term_to_binary', async (t) => {
  const text = (value: string): string => `\x6b${String.fromCharCode(0, value.length)}${value}`
  const remote = (user: string, host: string, path: string): string =>
    `\x68\x07d\0\x06remote${user}${text(host)}d\0\x07default${text(path)}\x6ad\0\x09undefined`
  const bytes =
    `\x83\x6c\0\0\0\x03m\0\0\0\x20${UUID}` +
    remote(text('user'), 'a.example', '/x/') +
    remote('d\0\x09undefined', 'b.example', '/y/') +
    '\x6a'
  t.equal(idOf(PLAIN), createHash('md5').update(Buffer.from(bytes, 'latin1')).digest('hex'))
})

/** What `term_to_binary` makes of `{remote, User, Host, Port, Path, Headers, undefined}`. */
function endpoint(
  user: string | undefined,
  host: string,
  port: number | 'default',
  path: string,
  headers: [string, string][],
): string {
  const text = (value: string): string => `\x6b${String.fromCharCode(0, value.length)}${value}`
  const number = (value: number): string =>
    value < 256
      ? `\x61${String.fromCharCode(value)}`
      : `\x62${String.fromCharCode(value >> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255)}`
  const pairs = headers.map((pair) => `\x68\x02${pair.map(text).join('')}`).join('')
  return (
    `\x68\x07d\0\x06remote${user === undefined ? 'd\0\x09undefined' : text(user)}${text(host)}` +
    `${port === 'default' ? 'd\0\x07default' : number(port)}${text(path)}` +
    `${headers.length === 0 ? '' : `\x6c\0\0\0${String.fromCharCode(headers.length)}${pairs}`}\x6ad\0\x09undefined`
  )
}

t.test("endpoints as CouchDB's own tests have them", async (t) => {
  const basic = (user: string, password: string): [string, string] => [
    'Authorization',
    `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  ]
  const auth = (username: string, password: string) => ({ basic: { username, password } })
  type Expected = [string | undefined, string, number | 'default', string, [string, string][]]
  const none: [string, string][] = []
  const vectors: [Expected, string, [string, string][], unknown?][] = [
    [[undefined, 'host', 'default', '/', none], 'http://host', []],
    [[undefined, 'host', 'default', '/', none], 'https://host', []],
    [[undefined, 'host', 'default', '/', none], 'http://host:5984', []],
    [[undefined, 'host', 'default', '/', none], 'https://host:443', []],
    [[undefined, 'host', 1, '/', none], 'http://host:1', []],
    [[undefined, 'host', 2, '/', none], 'https://host:2', []],
    [[undefined, 'host', 5984, '/', none], 'https://host:5984', []],
    [[undefined, 'host', 'default', '/', [['h', 'v']]], 'http://host', [['h', 'v']]],
    [[undefined, 'host', 'default', '/a/b/', none], 'http://host/a/b', []],
    [[undefined, 'host', 'default', '/a/b?c=d', none], 'http://host/a/b?c=d', []],
    [[undefined, 'host', 'default', '/?c=d', none], 'http://host?c=d', []],
    [['user', 'host', 'default', '/', none], 'http://user:pass@host', []],
    [['user', 'host', 3, '/', none], 'http://user:pass@host:3', []],
    [['user', 'host', 'default', '/', none], 'http://user:newpass@host', []],
    [['user', 'host', 'default', '/', none], 'http://host', [basic('user', 'pass')]],
    [['user', 'host', 'default', '/', none], 'http://host', [basic('user', 'newpass')]],
    [['user1', 'host', 'default', '/', none], 'http://user1:pass1@host', [basic('user2', 'pass2')]],
    [['user', 'host', 'default', '/', [['h', 'v']]], 'http://host', [['h', 'v'], basic('user', 'pass')]],
    [[undefined, 'host', 'default', '/', none], 'http://host', [['Authorization', 'Basic bad']]],
    [[undefined, 'host', 'default', '/', none], 'http://host', [['authorization', 'basic X']]],
    [
      [undefined, 'host', 'default', '/', [['Authorization', 'junk']]],
      'http://host',
      [['Authorization', 'junk']],
    ],
    [['u2', 'h', 'default', '/db/', none], 'http://u1:p1@h/db', [basic('u3', 'p3')], auth('u2', 'p2')],
    [['u', '2001:db8:a1b:12f9::1', 'default', '/db/', none], 'http://u:p@[2001:db8:a1b:12f9::1]/db', []],
    [[undefined, '::1', 8080, '/', none], 'http://[::1]:8080', []],
    [[undefined, 'host', 'default', '/', none], 'http://host', [['Accept', 'application/json']]],
    [
      [
        undefined,
        'host',
        'default',
        '/',
        [
          ['Accept', 'text/plain'],
          ['b', '1'],
        ],
      ],
      'http://host',
      [
        ['b', '1'],
        ['Accept', 'text/plain'],
      ],
    ],
  ]
  const target = endpoint(undefined, 'b.example', 'default', '/y/', [])
  for (const [expected, url, headers, credentials] of vectors) {
    const bytes = `\x83\x6c\0\0\0\x03m\0\0\0\x20${UUID}${endpoint(...expected)}${target}\x6a`
    const source = { url, headers: Object.fromEntries(headers), auth: credentials }
    t.equal(
      idOf({ ...PLAIN, source }),
      createHash('md5').update(Buffer.from(bytes, 'latin1')).digest('hex'),
      JSON.stringify(source),
    )
  }
})

t.test('the parts of an id stand in their order', async (t) => {
  const text = (value: string): string => `m\0\0\0${String.fromCharCode(value.length)}${value}`
  const object = (...members: string[]): string =>
    `\x68\x01\x6c\0\0\0${String.fromCharCode(members.length)}${members.join('')}\x6a`
  const member = (name: string, value: string): string => `\x68\x02${text(name)}${value}`
  const vectors: [Record<string, unknown>, string[]][] = [
    [{ doc_ids: ['b', 'a', 'b'] }, [`\x6c\0\0\0\x02${text('a')}${text('b')}\x6a`]],
    [{ doc_ids: [] }, ['\x6a']],
    [{ selector: { b: 'x' } }, [object(member('b', object(member('$eq', text('x')))))]],
    [
      { filter: '_view', query_params: { view: 'a/b' } },
      [text('_view'), object(member('view', text('a/b')))],
    ],
    [{ filter: '_design' }, [text('_design'), '\x68\x01\x6a']],
    [{ winning_revs_only: true }, [text('winning_revs_only')]],
    [{ winning_revs_only: false }, []],
    [{ since_seq: '3-x' }, [text('3-x')]],
    [
      { doc_ids: ['a'], winning_revs_only: true, since_seq: 7 },
      [`\x6c\0\0\0\x01${text('a')}\x6a`, text('winning_revs_only'), '\x61\x07'],
    ],
  ]
  const ends =
    endpoint('user', 'a.example', 'default', '/x/', []) +
    endpoint(undefined, 'b.example', 'default', '/y/', [])
  for (const [options, parts] of vectors) {
    const bytes = `\x83\x6c\0\0\0${String.fromCharCode(3 + parts.length)}${text(UUID)}${ends}${parts.join('')}\x6a`
    t.equal(
      idOf({ ...PLAIN, ...options }),
      createHash('md5').update(Buffer.from(bytes, 'latin1')).digest('hex'),
      JSON.stringify(options),
    )
  }
})

t.test('an id that is named may have lost its plus signs to a URL', async (t) => {
  for (const [told, id] of [
    ['abc', 'abc'],
    ['abc+x+y', 'abc+x+y'],
    ['abc x y', 'abc+x+y'],
  ]) {
    for (const name of ['id', '_local_id', 'replication_id']) {
      const request = parseRequest({ cancel: true, [name]: told }, { name: null, roles: [] }, DEFAULTS)
      t.same(request, { kind: 'cancelId', id })
    }
  }
})

t.test('what is the same replication, and what is another', async (t) => {
  const plain = idOf(PLAIN)
  const authorization = `Basic ${Buffer.from('user:other').toString('base64')}`
  const same = [
    { ...PLAIN, source: 'http://user:new@a.example/x/' },
    { ...PLAIN, source: { url: 'http://a.example:80/x', headers: { Authorization: authorization } } },
    { ...PLAIN, source: { url: 'http://a.example/x', auth: { basic: { username: 'user', password: 'p' } } } },
    { ...PLAIN, worker_processes: 7, checkpoint_interval: 1, unknown: true },
  ]
  for (const body of same) t.equal(idOf(body), plain, JSON.stringify(body))
  const others = [
    { ...PLAIN, source: 'http://a.example/x' },
    { ...PLAIN, source: 'http://user:pass@a.example:81/x' },
    { ...PLAIN, source: { url: PLAIN.source, headers: { 'x-a': 'b' } } },
    { ...PLAIN, doc_ids: ['a'] },
    { ...PLAIN, selector: { a: 1 } },
    { ...PLAIN, filter: '_design' },
    { ...PLAIN, winning_revs_only: true },
    { ...PLAIN, since_seq: 0 },
    { ...PLAIN, since_seq: '1-a' },
  ].map((body) => idOf(body))
  t.equal(new Set([plain, ...others]).size, others.length + 1)
  t.equal(idOf({ ...PLAIN, continuous: true, create_target: true }), `${plain}+continuous+create_target`)
  t.equal(idOf({ ...PLAIN, doc_ids: ['b', 'a%2Fc', 'b'] }), idOf({ ...PLAIN, doc_ids: ['a/c', 'b'] }))
  t.equal(
    idOf({ ...PLAIN, selector: { a: 1, b: { c: 2 } } }),
    idOf({ ...PLAIN, selector: { $and: [{ a: { $eq: 1 } }, { 'b.c': 2 }] } }),
  )
})

t.test('version 3 has credentials in it', async (t) => {
  const job = (source: string) => parseJob({ ...PLAIN, source }, { name: null, roles: [] }, DEFAULTS)
  const of = (source: string): string => baseId(job(source), { uuid: UUID }, 3)
  t.not(of('http://user:a@a.example/x'), of('http://user:b@a.example/x'))
})

t.test('selectors in normal form', async (t) => {
  t.same(normalSelector({ foo: { $and: [{ $gt: 5 }, { $lt: 10 }] } }), {
    $and: [{ foo: { $gt: 5 } }, { foo: { $lt: 10 } }],
  })
  t.same(normalSelector({ foo: { bar: { $gt: 10 } } }), { 'foo.bar': { $gt: 10 } })
  t.same(normalSelector({ $not: { foo: { $gt: 10 } } }), { foo: { $lte: 10 } })
  t.same(normalSelector({ $not: { $and: [{ foo: { $gt: 10 } }, { foo: { $lt: 5 } }] } }), {
    $or: [{ foo: { $lte: 10 } }, { foo: { $gte: 5 } }],
  })
  t.same(normalSelector({}), {})
})
