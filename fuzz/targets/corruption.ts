/**
 * Data damaged at rest: flipped bits, zeroed, exchanged, stale and misdirected blocks, files cut short. Invariants:
 * - Whatever is read is what was written, or an error that names the damage: never other bytes, never another error.
 * - A file that was closed loses nothing without an error.
 * - A file whose writer was killed loses only commits that nothing left in the file vouches for, and says so.
 * - What could be opened goes on.
 */
import { CorruptionRun } from '../../test/support/corruption-run.ts'
import { playerOf, type Target } from '../target.ts'

export const corruption: Target = {
  name: 'corruption',
  summary: 'a file damaged at rest gives right answers or precise errors',
  caseEvents: 50,
  smokeEvents: 400,
  rarePaths: [
    ...['bitFlips', 'cuts', 'exchangedBlocks', 'misdirectedWrites', 'staleWrites', 'zeroedBlocks'],
    ...['lost', 'refused', 'refusedAtOpen', 'right'],
  ],
  open: playerOf(async (script) => {
    const setup = script.setup()
    const run = new CorruptionRun(setup.bool())
    try {
      await run.play(setup, script.events())
    } finally {
      const { kinds, ...verdicts } = run.tally
      script.coverage.add([...Object.entries(kinds), ...Object.entries(verdicts)])
    }
  }),
}
