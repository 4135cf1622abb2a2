/** Ids of replications: what is and is not part of them, and the bytes that they are made of. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { ADMIN_ROLE } from '../../src/auth/user.ts'
import { parseJob } from '../../src/replication/job-parser.ts'
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
