import t from 'tap'
import { PARTS, parseBtreeArguments } from '../../bench/btree/arguments.ts'
import { operationsOf, plannedStep, turnOrder } from '../../bench/btree/plan.ts'
import { parseGrowthArguments, sizesUpTo } from '../../bench/growth.ts'
import { ENGINE_NAMES, OURS } from '../../bench/peers/engines.ts'
import { parseCounts } from '../../src/lab/measure/step-process.ts'

t.test('what btree is asked for', async (t) => {
  const usual = parseBtreeArguments([])
  t.equal(usual.rounds, 3)
  t.equal(usual.documents, 1_000_000)
  t.equal(usual.kills, 10)
  t.same(usual.engines, [...ENGINE_NAMES, 'bare loop'])
  t.same(usual.parts, PARTS)
  const asked = parseBtreeArguments(['--documents', '50_000', '--engines', 'bare,ours', '--only', 'gets'])
  t.equal(asked.documents, 50_000)
  t.same(asked.engines, [OURS, 'bare loop'])
  t.same(asked.parts, ['load', 'gets-512', 'gets-64'], 'what is read has to be loaded')
  t.same(parseBtreeArguments(['--only', 'syncs']).parts, ['syncs'])
  for (const wrong of [
    ['--rounds', '0'],
    ['--documents', '10'],
    ['--documents', 'many'],
    ['--kills', '1.5'],
    ['--engines', 'oracle'],
    ['--only', 'nothing'],
  ]) {
    t.throws(() => parseBtreeArguments(wrong), RangeError, wrong.join(' '))
  }
  t.throws(() => parseBtreeArguments(['--unknown', '1']), TypeError)
})

t.test('what growth is asked for', async (t) => {
  t.same(sizesUpTo(10_000_000), [10_000, 100_000, 1_000_000, 10_000_000])
  t.same(sizesUpTo(99_999), [10_000])
  t.equal(parseGrowthArguments([]).max, 10_000_000)
  t.throws(() => parseGrowthArguments(['--max', '9999']), RangeError)
})

t.test('the plan', async (t) => {
  const wanted = parseBtreeArguments(['--documents', '100000'])
  t.equal(operationsOf('commits', 1_000_000), 20_000)
  t.equal(operationsOf('commits', 1000), 200, 'never too few to tell')
  t.equal(plannedStep('gets-64', 'lmdb', '/x', 0, wanted)?.job.cacheBytes, 64 * 1024 * 1024)
  t.equal(plannedStep('gets-64', 'bare loop', '/x', 0, wanted), undefined)
  const names = [OURS, 'a', 'b', 'c']
  t.same(turnOrder(names, 0), [OURS, 'a', 'b', 'c'])
  t.same(turnOrder(names, 1), [OURS, 'b', 'c', 'a'])
  t.same(turnOrder([OURS], 2), [OURS])
})

t.test('counts of strace', async (t) => {
  const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 98.76    0.016340          81       201           fdatasync
  1.24    0.000205          51         4         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.016545          80       205         1 total
`
  t.same(parseCounts(table), { fdatasync: 201, fsync: 4 })
  t.same(parseCounts(''), {})
})
