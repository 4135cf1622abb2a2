import t from 'tap'
import { CrashRun } from '../support/crash-run.ts'
import { Random } from '../support/random.ts'
import { explained, isLong, rounds, seed } from '../support/test-run.ts'

const COMMITS = isLong ? 2000 : 300

t.setTimeout(300_000)

t.test('no crash loses an acknowledged commit or leaves half of one', { timeout: 300_000 }, async (t) => {
  const run = new CrashRun(new Random(seed))
  try {
    await run.run(COMMITS * rounds)
  } catch (error) {
    throw explained(error, `after ${JSON.stringify(run.tally)}`)
  }
  const { tally } = run
  t.comment(JSON.stringify(tally))
  t.ok(tally.commits >= COMMITS)
  t.ok(tally.checkpointsUnderWay > COMMITS / 20, 'checkpoints were under way')
  t.ok(tally.commitsInParts > COMMITS / 100, 'commits spanned several groups')
  t.ok(tally.recoveriesCrashed > COMMITS / 40, 'recoveries were interrupted')
  t.ok(tally.longestCrashChain >= 3, 'at least three crashes in succession')
  t.ok(tally.poisoned > COMMITS / 200 && tally.sameSystemReopens > COMMITS / 200, 'syncs failed')
  t.ok(tally.full > COMMITS / 200, 'the disk was full')
  t.ok(tally.readers > COMMITS / 4, 'readers looked at what crashes left')
  t.ok(tally.leftoversTold > COMMITS / 20, 'and were told of them')
  t.ok(tally.otherFaults > COMMITS / 500, 'streams, checkpoints and closings met faults')
  t.ok(tally.beyond32Bits >= 1, 'some files began just below 2^32')
})
