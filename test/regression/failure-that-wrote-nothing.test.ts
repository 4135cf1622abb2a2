/**
 * A first write at a moment without file descriptors poisoned the store: the folder could not be opened to be synced,
 * nothing had been written, and writes were refused until a restart. So did a truncation that failed. Only what
 * leaves in doubt what the disk has may poison: a failed sync, above all. Each kind of failure, at each place.
 */
import t, { type Test } from 'tap'
import type { Store } from '../../native-free-btree/index.ts'
import type { Fault } from '../../src/lab/disk/simulated-fault.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const PATH = '/d/s'
const KEY = Buffer.from('key')
const EVERYTHING = Number.POSITIVE_INFINITY

const put = (store: Store, value: string) => store.transact((tx) => tx.put('plain', KEY, Buffer.from(value)))
const stored = (store: Store) => store.get('plain', KEY)?.toString()
const open = (disk: SimulatedDisk) => openSimulated(disk, PATH, new Random(1))

/** A store that holds `first` and was opened again, so that its next write is the first of its writer. */
async function opened(seed: number): Promise<{ disk: SimulatedDisk; store: Store }> {
  const disk = new SimulatedDisk(seed)
  const made = await open(disk)
  await put(made, 'first')
  await made.close()
  return { disk, store: await open(disk) }
}

async function assertGoesOn(t: Test, disk: SimulatedDisk, store: Store): Promise<void> {
  t.equal(store.stats().poisoned, undefined)
  t.equal(stored(store), 'first')
  await put(store, 'second')
  t.equal(stored(store), 'second')
  const reopened = await open(disk.crash({ survival: 0 }))
  t.equal(stored(reopened), 'second')
  t.same((await reopened.check()).problems, [])
  await reopened.close()
}

const RETRIED: [what: string, faults: Fault[]][] = [
  ['no descriptor for the folder (EMFILE)', [{ on: 'open', path: '/d', code: 'EMFILE' }]],
  ['no descriptor for the folder (ENFILE)', [{ on: 'open', path: '/d', code: 'ENFILE' }]],
  ['no room for the first superblock', [{ on: 'write', code: 'ENOSPC', written: 0 }]],
  ['the first superblock cannot be written', [{ on: 'write', code: 'EIO' }]],
  ['no room for the group', [{ on: 'write', after: 1, code: 'ENOSPC', written: 100 }]],
  ['the group cannot be written, and nothing is', [{ on: 'write', after: 1, code: 'EIO', written: 0 }]],
  ['the group cannot be written, and all of it is', [{ on: 'write', after: 1, written: EVERYTHING }]],
  [
    'what was written cannot be cut off',
    [{ on: 'write', after: 1, code: 'ENOSPC', written: EVERYTHING }, { on: 'truncate' }],
  ],
]

for (const [index, [what, faults]] of RETRIED.entries()) {
  t.test(`${what}: refused once, and then it goes on`, async (t) => {
    const { disk, store } = await opened(index)
    for (const fault of faults) disk.inject(fault)
    await t.rejects(put(store, 'refused'), {
      code: 'WRITE_FAILED',
      cause: { details: { systemCode: faults[0]!.code ?? 'EIO' } },
    })
    await assertGoesOn(t, disk, store)
  })
}

t.test('nothing is cut, nor synced, where nothing was written', async (t) => {
  const { disk, store } = await opened(20)
  await put(store, 'first')
  const before = new Map(disk.counts)
  disk.inject({ on: 'write', code: 'EIO', written: 0 })
  await t.rejects(put(store, 'refused'), { code: 'WRITE_FAILED' })
  t.equal(disk.counts.get('truncate'), before.get('truncate'))
  t.equal(disk.counts.get('sync'), before.get('sync'))
  await assertGoesOn(t, disk, store)
})

t.test('what was refused does not come back, although it was not cut off', async (t) => {
  const { disk, store } = await opened(21)
  disk.inject({ on: 'write', after: 1, code: 'EIO', written: EVERYTHING })
  disk.inject({ on: 'truncate' })
  const refused = await put(store, 'refused').catch((error) => error)
  t.equal(refused.code, 'WRITE_FAILED')
  t.notOk(refused.details.inDoubt)
  const reopened = await open(disk.afterCrash({ survival: 1, tearing: 0 }))
  t.equal(stored(reopened), 'first')
  await reopened.close()
})

t.test('what cannot be made harmless is said to be in doubt until it can', async (t) => {
  const { disk, store } = await opened(22)
  await put(store, 'first')
  const cancels = [
    disk.inject({ on: 'write', written: EVERYTHING }),
    disk.inject({ on: 'truncate', times: EVERYTHING }),
    disk.inject({ on: 'write', after: 1, times: EVERYTHING, written: 0 }),
  ]
  await t.rejects(put(store, 'refused'), { code: 'WRITE_FAILED', details: { inDoubt: true } })
  const later = await put(store, 'refused, too').catch((error) => error)
  t.equal(later.code, 'WRITE_FAILED')
  t.notOk(later.details.inDoubt, 'of this one nothing was written')
  for (const cancel of cancels) cancel()
  await assertGoesOn(t, disk, store)
})

t.test('a failed sync poisons, of the file and of its folder', async (t) => {
  const faults: Fault[] = [
    { on: 'syncDirectory', path: '/d' },
    { on: 'sync' },
    { on: 'sync', after: 1, losing: 1 },
  ]
  for (const [index, fault] of faults.entries()) {
    const { disk, store } = await opened(30 + index)
    disk.inject(fault)
    await t.rejects(put(store, 'refused'), { code: 'POISONED' })
    await t.rejects(put(store, 'refused'), { code: 'POISONED' })
    t.equal(stored(store), 'first', 'reads go on')
    await store.close()
  }
})

t.test('so does the sync that a cut needs', async (t) => {
  const { disk, store } = await opened(40)
  await put(store, 'first')
  disk.inject({ on: 'write', code: 'ENOSPC', written: 100 })
  disk.inject({ on: 'sync' })
  await t.rejects(put(store, 'refused'), { code: 'POISONED' })
  await store.close()
})
