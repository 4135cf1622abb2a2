/** What is read of a database of this server for another one: in lists of bounded bytes, each leaf once. */
import t from 'tap'
import type { FetchedRevision, WantedRevision } from '../../src/replication/endpoint.ts'
import { LocalSource, type LocalSourceOptions } from '../../src/replication/local/local-source.ts'
import type { DatabaseLease } from '../../src/replication/parts.ts'
import { edit, put, replicate, replicated, rev, testDatabase } from '../support/database-fixture.ts'

const COUNT = { bulkGetAttempts: () => {}, bulkGetDocs: () => {} }

async function opened() {
  const { database } = await testDatabase()
  let leases = 0
  const lease = async (): Promise<DatabaseLease> => {
    leases += 1
    const release = (): void => {
      leases -= 1
    }
    return { database, signal: new AbortController().signal, release }
  }
  const source = new LocalSource({
    parts: { databases: { lease } } as unknown as LocalSourceOptions['parts'],
    name: 'a',
    owner: { name: 'admin', roles: ['_admin'] } as LocalSourceOptions['owner'],
    shown: 'a',
    choice: { kind: 'all' },
    winningRevsOnly: false,
  })
  const fetched = async (wanted: readonly WantedRevision[]): Promise<(readonly FetchedRevision[])[]> => {
    const lists: (readonly FetchedRevision[])[] = []
    for await (const list of source.fetch(wanted, COUNT, new AbortController().signal)) lists.push(list)
    return lists
  }
  return { database, fetched, leases: () => leases }
}

function wish(id: string, rev: string): WantedRevision {
  return { id, rev, attsSince: [] }
}

t.test('lists end behind 64 KiB of bodies', async (t) => {
  const { database, fetched, leases } = await opened()
  const lengths = [10, 40_000, 40_000, 5, 200_000, 1, 1]
  const wanted: WantedRevision[] = []
  for (const [at, length] of lengths.entries()) {
    await put(database, edit(`d${at}`, { v: 'x'.repeat(length) }))
    wanted.push(wish(`d${at}`, database.get(`d${at}`).rev))
  }
  const lists = await fetched(wanted)
  t.same(
    lists.map((list) => list.map((each) => (each.kind === 'document' ? each.document.id : each.kind))),
    [
      ['d0', 'd1', 'd2'],
      ['d3', 'd4'],
      ['d5', 'd6'],
    ],
  )
  t.equal(leases(), 0)
})

t.test('a leaf that several revisions have become comes once, others each by itself', async (t) => {
  const { database, fetched } = await opened()
  await replicate(database, replicated('a', { v: 'c' }, 3, 'cba'))
  await replicate(database, replicated('a', { v: 'd' }, 2, 'da'))
  await replicate(database, edit('b', { v: 'b' }, { rev: rev('1b') }))
  const lists = await fetched([
    wish('a', rev('2b')),
    wish('a', rev('3c')),
    wish('a', rev('2d')),
    wish('a', rev('4e')),
    wish('b', rev('1b')),
  ])
  const told = lists.flat().map((each) => {
    if (each.kind !== 'document') return each
    const { id, rev, revisions, body } = each.document
    return { id, rev, ids: revisions.ids.map((id) => id[0]).join(''), body: body.toString() }
  })
  t.same(told, [
    { id: 'a', rev: rev('3c'), ids: 'cba', body: '{"v":"c"}' },
    { id: 'a', rev: rev('2d'), ids: 'da', body: '{"v":"d"}' },
    { kind: 'missing', id: 'a', rev: rev('4e') },
    { id: 'b', rev: rev('1b'), ids: 'b', body: '{"v":"b"}' },
  ])
})
