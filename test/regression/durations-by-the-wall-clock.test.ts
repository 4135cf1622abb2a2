/**
 * How long something took was read off the time of day. A correction of the clock made a second Ctrl-C of no effect,
 * the time that a compaction still needs negative, and let one sleep for hours that it had "worked".
 */
import t from 'tap'
import { StopSignal } from '../../src/cli/stop-signal.ts'
import { TaskRegistry } from '../../src/workers/tasks.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

t.test('a second signal after the clock was set back', async (t) => {
  const clock = manualClock()
  let forced = 0
  const signal = new StopSignal({ clock, force: () => forced++ })
  signal.receive('SIGINT')
  clock.correct(-3_600_000)
  clock.advance(1000)
  signal.receive('SIGINT')
  t.equal(forced, 1)
})

t.test('what a task still needs', async (t) => {
  const clock = manualClock()
  const tasks = new TaskRegistry(clock, recordingLog().log)
  const task = tasks.start({ type: 'database_compaction', database: 'd', phase: 'copy', cancel: () => {} })
  clock.advance(10_000)
  task.update({ phase: 'copy', changesDone: 1, totalChanges: 3, bytesDone: 1, bytesTotal: 3 })
  for (const ms of [-3_600_000, 7_200_000]) {
    clock.correct(ms)
    t.equal(task.info().eta_seconds, 20)
  }
})
