import t from 'tap'
import { nodeFileSystem } from '../../native-free-btree/disk/posix-file.ts'
import { openStore, PageCache, type StorageError } from '../../native-free-btree/index.ts'
import { CorruptionRun } from '../support/corruption-run.ts'
import { Random } from '../support/random.ts'
import { explained, isLong, rounds, seed } from '../support/test-run.ts'
import { noLock, patternBytes } from '../support/test-trees.ts'

const MUTATIONS = isLong ? 1000 : 300

t.setTimeout(300_000)

for (const closed of [true, false]) {
  const kind = closed ? 'closed' : 'killed'
  t.test(`damage to a ${kind} file gives right data or an error`, { timeout: 300_000 }, async (t) => {
    const run = new CorruptionRun(closed)
    try {
      await run.run(new Random(seed + (closed ? 0 : 1)), (MUTATIONS * rounds) / 2)
    } catch (error) {
      throw explained(error, `after ${JSON.stringify(run.tally)}`)
    }
    const { tally } = run
    t.comment(JSON.stringify(tally))
    t.ok(tally.right > 0)
    t.ok(tally.refused > MUTATIONS / 50)
    t.ok(tally.refusedAtOpen > MUTATIONS / 50)
    t.equal(closed, tally.lost === 0, 'only the last commit of a killed file may be lost')
  })
}

t.test('a damaged byte in a real file is found by check()', async (t) => {
  const path = `${t.testdir()}/store`
  const options = { cache: new PageCache(1024 * 1024), lock: noLock }
  const store = await openStore(path, { ...options, trees: { a: {} } })
  await store.transact((tx) => {
    for (let i = 0; i < 500; i++) tx.put('a', Buffer.from(`key ${i}`), patternBytes(i, 400))
  })
  await store.close()
  const file = await nodeFileSystem.open(path, 'write')
  await file.write(Buffer.of(0xff, 0x00, 0xff), 60_001)
  await file.close()
  let problems: number
  try {
    const damaged = await openStore(path, options)
    problems = (await damaged.check()).problems.length
    await damaged.close()
  } catch (error) {
    t.equal((error as StorageError).code, 'DAMAGED')
    problems = 1
  }
  t.ok(problems > 0)
})
