import t from 'tap'
import { openFollower } from '../../native-free-btree/index.ts'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { codeOf, compactOn, followerOn, numbered, PATH, pair } from '../support/follower-pair.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { seed } from '../support/test-run.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(300_000)

t.test('a flipped byte in the log is DAMAGED, and no wrong answer', async (t) => {
  for (const offset of [5, 60, 130, 140, 400]) {
    const { disk, store, follower, put } = await pair()
    await put(0, 10)
    t.ok(follower.has('plain', numbered(9)))
    const snapshot = follower.snapshot()
    const at = store.durableEnd
    await put(10, 20)
    flipBit(disk, PATH, at + offset, 3)
    for (const key of [numbered(1), numbered(15)]) {
      t.equal(
        codeOf(() => follower.get('plain', key)),
        'DAMAGED',
      )
      t.equal(
        codeOf(() => follower.has('plain', key)),
        'DAMAGED',
      )
    }
    t.equal(
      codeOf(() => follower.snapshot()),
      'DAMAGED',
    )
    await t.rejects(follower.catchUp(), { code: 'DAMAGED', details: { position: at } })
    t.equal(snapshot.tree('plain').count(), 10, 'what was taken in before stays readable')
    snapshot.close()
    flipBit(disk, PATH, at + offset, 3)
    t.same(
      follower.get('plain', numbered(15)),
      patternBytes(15, 40),
      'and is gone on from when it is whole again',
    )
    await follower.close()
    await store.close()
  }
})

t.test('damage in a checkpoint or its nodes is never a wrong answer', async (t) => {
  const { disk, store, follower, put } = await pair()
  await put(0, 500)
  const before = store.durableEnd
  await store.checkpoint()
  // The nodes of the checkpoint lie here, and its record behind them.
  for (let at = before + 200; at < store.durableEnd - 8; at += 97) flipBit(disk, PATH, at, 1)
  t.equal(
    codeOf(() => follower.get('plain', numbered(1))),
    'DAMAGED',
  )
  await t.rejects(followerOn(disk, store.shareProgress()), { code: 'DAMAGED' })
  await follower.close()
  await store.close()
})

t.test('a file that was replaced is read on until it is caught up with, up to its end', async (t) => {
  const { random, disk, store, follower, put } = await pair()
  await put(0, 100)
  t.ok(follower.has('plain', numbered(99)))
  const snapshot = follower.snapshot()
  const cursor = snapshot.tree('plain').cursor()
  t.ok(cursor.next())
  await put(100, 200)
  await compactOn(disk, random, store)
  const { salt } = follower
  t.equal(follower.isFresh, false)
  t.ok(follower.has('plain', numbered(199)), 'what was acknowledged before the swap')
  await put(200, 300)
  t.equal(follower.salt, salt)
  const { values } = follower
  await follower.catchUp()
  t.equal(follower.isFresh, true)
  t.equal(follower.salt, store.salt)
  t.not(follower.salt, salt)
  t.equal(values.isCurrent, false)
  t.ok(follower.has('plain', numbered(299)))
  t.equal(follower.commit, store.commit)
  for (let n = 1; n < 100; n++) t.ok(cursor.next())
  t.notOk(cursor.next(), 'the snapshot goes on with the file that it began with')
  snapshot.close()
  await follower.close()
  await store.close()
})

t.test(
  'trees that the writer defines later are there from the beginning, and found when they are defined',
  async (t) => {
    const random = new Random(seed)
    const disk = new SimulatedDisk(random.fork())
    const store = await openSimulated(disk, PATH, random)
    const follower = await followerOn(disk, store.shareProgress())
    const snapshot = follower.snapshot()
    t.equal(follower.get('plain', numbered(1)), undefined)
    await store.transact((tx) => tx.put('plain', numbered(1), numbered(1)))
    t.same(follower.get('plain', numbered(1)), numbered(1))
    t.equal(snapshot.tree('plain').count(), 0)
    t.equal(
      codeOf(() => follower.get('other', numbered(1))),
      'UNKNOWN_TREE',
    )
    snapshot.close()
    await follower.close()
    await store.close()
  },
)

t.test('a backup that a follower takes opens with every commit of the moment', async (t) => {
  const { random, disk, store, follower, put } = await pair()
  await put(0, 300)
  await store.checkpoint()
  await put(300, 400)
  const backup = follower.backup()
  await put(400, 500)
  const pieces: Buffer[] = []
  for await (const piece of backup.bytes()) pieces.push(Buffer.from(piece))
  disk.install('/d/copy', Buffer.concat(pieces))
  const copy = await openSimulated(disk, '/d/copy', random)
  const snapshot = copy.snapshot()
  t.equal(snapshot.tree('plain').count(), 400)
  snapshot.close()
  await copy.close()
  await follower.close()
  await store.close()
})

t.test('what is refused', async (t) => {
  const { random, disk, store, follower } = await pair()
  const progress = store.shareProgress()
  t.equal(progress, store.shareProgress())
  await store.transact((tx) => tx.put('folded', numbered(1), numbered(1)))
  await t.rejects(openFollower(undefined as never), { code: 'INVALID_ARGUMENT' })
  await t.rejects(openFollower({ ...progress, path: '' }), { code: 'INVALID_ARGUMENT' })
  await t.rejects(openFollower({ ...progress, state: new SharedArrayBuffer(8) }), {
    code: 'INVALID_ARGUMENT',
  })
  await t.rejects(openFollower(progress, { cache: {} as never }), { code: 'INVALID_ARGUMENT' })
  await t.rejects(followerOn(disk, progress, { trees: { folded: {} } }), { code: 'COMPARATOR_MISMATCH' })
  await t.rejects(followerOn(disk, { ...progress, uuid: 'another' }), { code: 'NOT_FOUND' })
  await t.rejects(followerOn(disk, { ...progress, path: '/d/elsewhere' }), { code: 'NOT_FOUND' })
  const some = await followerOn(disk, progress, { trees: { plain: {} } })
  t.equal(
    codeOf(() => some.get('folded', numbered(1))),
    'COMPARATOR_MISMATCH',
    'the others can be read',
  )
  t.equal(some.get('plain', numbered(1)), undefined)
  await some.close()
  t.equal(
    codeOf(() => some.get('plain', numbered(1))),
    'CLOSED',
  )
  await t.rejects(some.catchUp(), { code: 'CLOSED' })
  const reading = await openSimulated(disk, PATH, random, { readOnly: true })
  t.equal(
    codeOf(() => reading.shareProgress()),
    'READ_ONLY',
  )
  await reading.close()
  const held = follower.snapshot()
  await store.close()
  t.equal(
    codeOf(() => store.shareProgress()),
    'CLOSED',
  )
  t.equal(follower.isFresh, false)
  t.equal(
    codeOf(() => follower.get('plain', numbered(1))),
    'CLOSED',
  )
  t.equal(
    codeOf(() => follower.snapshot()),
    'CLOSED',
  )
  t.equal(held.tree('folded').count(), 1, 'a snapshot that was open stays so')
  await t.rejects(follower.catchUp(), { code: 'CLOSED' })
  await t.rejects(followerOn(disk, progress), { code: 'CLOSED' })
  held.close()
  await follower.close()
})
