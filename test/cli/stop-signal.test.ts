import t from 'tap'
import { StopSignal } from '../../src/cli/stop-signal.ts'
import { manualClock } from '../support/manual-clock.ts'

t.test('one key press may arrive twice; a second one forces', async (t) => {
  const clock = manualClock()
  let forced = 0
  const signal = new StopSignal({ clock, force: () => forced++ })
  signal.receive('SIGINT')
  signal.receive('SIGINT')
  t.equal(await signal.requested, 'SIGINT')
  clock.advance(499)
  signal.receive('SIGTERM')
  t.equal(forced, 0)
  clock.advance(1)
  signal.receive('SIGTERM')
  t.equal(forced, 1)
})
