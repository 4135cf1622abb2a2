/**
 * Readers beside the writer, on a simulated disk. Readers open, move on and read while the writer commits, writes
 * checkpoints and superblocks, is closed and opened, or is killed in the middle of something and its tail cut off.
 * Invariants:
 * - Whatever a reader shows is one whole durable commit, no earlier than the last that was acknowledged when it was
 *   opened or moved on; it never goes back to an earlier one.
 * - What it showed stays readable until it moves on, even when the file is shortened behind it.
 * - Opening and moving on succeed at any time.
 * - A damaged file that is read through the same cache spoils nothing.
 */
import { BesideWriter } from '../readers/beside-writer.ts'
import { playerOf, type Target } from '../target.ts'

export const readers: Target = {
  name: 'readers',
  summary: 'readers beside a writer that is closed, killed and recovered under them',
  caseEvents: 150,
  smokeEvents: 600,
  rarePaths: [
    ...['readersOpened', 'refreshes', 'readersMovedOn', 'writersKilled', 'recoveriesKilled', 'tailsCut'],
    ...['writersReopened', 'shownBeforeAcknowledged', 'neighbour:DAMAGED'],
  ],
  open: playerOf(async (script) => {
    await new BesideWriter(script.setup(), script.coverage).play(script.events())
  }),
}
