import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache } from '../../native-free-btree/index.ts'
import { PropertyRun } from '../support/property-run.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { explained, isLong, rounds, seed } from '../support/test-run.ts'
import { openSimulated, TEST_TREES } from '../support/test-trees.ts'

t.setTimeout(300_000)

const STORES = isLong ? 6 : 1
const OPERATIONS = 16_000
const FILE_OPERATIONS = isLong ? 14_000 : 4_000

async function complete(run: PropertyRun, operations: number): Promise<void> {
  try {
    await run.run(operations)
  } catch (error) {
    throw explained(error, `after ${run.operations} operations`)
  }
}

t.test('random operations on a simulated disk agree with a plain model', { timeout: 300_000 }, async (t) => {
  const all = { operations: 0, reopened: 0, crashes: 0, checks: 0 }
  const random = new Random(seed)
  // Several stores: a long life makes the file, and so each crash and check, expensive.
  for (let part = 0; part < STORES * rounds; part++) {
    let disk = new SimulatedDisk(random.fork())
    const run = new PropertyRun(random.fork(), {
      open: () =>
        openSimulated(disk, '/d/store', random, {
          checkpointLogBytes: 60_000,
          partBytes: 50_000,
          aheadBytes: 3000,
        }),
      crash: async () => {
        disk = disk.crash()
      },
    })
    await complete(run, OPERATIONS)
    all.operations += run.operations
    all.reopened += run.reopened
    all.crashes += run.crashes
    all.checks += run.checks
  }
  t.comment(JSON.stringify(all))
  t.ok(all.operations >= STORES * OPERATIONS)
  t.ok(all.crashes > 3 * STORES)
})

t.test('random operations on a real file agree with a plain model', { timeout: 300_000 }, async (t) => {
  const path = join(t.testdir(), 'store')
  const run = new PropertyRun(new Random(seed + 1), {
    open: () =>
      openStore(path, {
        trees: TEST_TREES,
        cache: new PageCache(1024 * 1024),
        checkpointLogBytes: 200_000,
        dirtyBytes: 128 * 1024,
      }),
  })
  await complete(run, FILE_OPERATIONS * rounds)
  t.ok(run.operations >= FILE_OPERATIONS)
  t.ok(run.reopened > 0)
})
