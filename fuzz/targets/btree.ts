/**
 * The B+tree beside a sorted list, over crashes between commits. Invariants:
 * - Every get, cursor (either direction, any range, any skip), rank, count, size and reduction answers as the list.
 * - A snapshot answers as the list did when it was taken, whatever is written since.
 * - A transaction that throws leaves nothing; later ones in its group do not see it.
 * - After every commit that was acknowledged a crash loses nothing, and a store that was closed opens clean.
 * - `check()` finds no problem, at any time.
 */
import { PropertyRun } from '../../test/support/property-run.ts'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { openSimulated } from '../../test/support/test-trees.ts'
import { playerOf, type Target } from '../target.ts'

export const btree: Target = {
  name: 'btree',
  summary: 'trees, snapshots, cursors and reductions beside a sorted list',
  caseEvents: 1200,
  smokeEvents: 2400,
  rarePaths: ['crashes', 'reopened', 'checks', 'threeLevels'],
  open: playerOf(async (script) => {
    const random = script.setup()
    let disk = new SimulatedDisk(random.fork())
    const run = new PropertyRun(random.fork(), {
      open: () => openSimulated(disk, '/d/store', random, { checkpointLogBytes: 60_000, partBytes: 50_000 }),
      crash: async () => {
        disk = disk.crash()
      },
    })
    try {
      await run.play(script.events())
    } finally {
      const { coverage } = script
      coverage.count('operations', run.operations)
      coverage.count('reopened', run.reopened)
      coverage.count('crashes', run.crashes)
      coverage.count('checks', run.checks)
      if (run.deepest > 2) coverage.count('threeLevels')
    }
  }),
}
