/** PouchDB live as two users of channels that overlap: `ann` of anns and shared, `bob` of bobs and shared. */
import type { Test } from 'tap'
import { loadPouchDb, type Pouch } from './pouchdb.ts'
import { until } from './until.ts'

/** `remoteOf` gives the URL of a database, empty so far, as the user of that name has it; `label` begins the names of the local ones. */
export async function twoLiveUsers(
  t: Test,
  label: string,
  remoteOf: (name: string) => string,
): Promise<void> {
  const PouchDB = await loadPouchDb()
  const users = ['ann', 'bob'].map((name) => {
    const remote = new PouchDB(remoteOf(name), { skip_setup: true })
    const local = new PouchDB(`${label}-${name}`, { adapter: 'memory' })
    const options = { live: true, retry: false, heartbeat: 30_000 }
    const feeds = [local.replicate.from(remote, options), local.replicate.to(remote, options)]
    const failures: unknown[] = []
    for (const feed of feeds) feed.on('error', (error) => failures.push(error))
    return { local, remote, feeds, failures }
  })
  const [ann, bob] = users as [(typeof users)[0], (typeof users)[0]]
  const has = async (local: Pouch, id: string): Promise<unknown> =>
    local.get(id).then(
      (found) => found['n'],
      () => undefined,
    )
  const own = await ann.local.put({ _id: 'own', channels: ['anns'], n: 1 })
  await ann.local.put({ _id: 'both', channels: ['shared'], n: 1 })
  await bob.local.put({ _id: 'his', channels: ['bobs'], n: 1 })
  await until('bob has what both see', async () => (await has(bob.local, 'both')) === 1)
  await bob.local.put({ ...(await bob.local.get('both')), n: 2 })
  await until('ann has the edit', async () => (await has(ann.local, 'both')) === 2)
  t.equal(await has(bob.local, 'own'), undefined)
  await ann.local.put({ _id: 'own', _rev: own.rev, channels: ['shared'], n: 2 })
  await until('bob has what came into his channel', async () => (await has(bob.local, 'own')) === 2)
  await ann.local.remove(await ann.local.get('both'))
  await until('it is gone at bob', async () => (await has(bob.local, 'both')) === undefined)
  t.equal(await has(ann.local, 'his'), undefined)
  for (const { local, remote, feeds, failures } of users) {
    t.same(failures, [])
    for (const feed of feeds) feed.cancel()
    await Promise.allSettled(feeds)
    // A cancelled replication leaves a request on its way: it is answered before this one, so while the server runs.
    await remote.info()
    await local.destroy()
  }
}
