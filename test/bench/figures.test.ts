import t from 'tap'
import { spreadCell } from '../../bench/btree/report.ts'
import { Results } from '../../bench/btree/results.ts'
import { btreeTargets, type Verdict } from '../../bench/btree/targets.ts'
import { growthTargets } from '../../bench/growth-report.ts'
import { median, rankedValue, Samples, spreadOf } from '../../src/lab/measure/statistics.ts'
import { alignedTable, shownFigure, shownSpread } from '../../src/lab/measure/text-table.ts'

t.test('medians and spreads', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.equal(median([10, 9, 100]), 10, 'numbers are not sorted as text')
  t.ok(Number.isNaN(median([])))
  const rounds = [5, Number.NaN, 1, 3]
  t.same(spreadOf(rounds), { median: 3, min: 1, max: 5 })
  t.same(rounds, [5, Number.NaN, 1, 3], 'what was given is left as it was')
  t.same(spreadOf([]), { median: Number.NaN, min: Number.NaN, max: Number.NaN })
})

t.test('ranked values', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  t.equal(rankedValue(hundred, 0.5), 50)
  t.equal(rankedValue(hundred, 0.99), 99)
  t.equal(rankedValue(hundred, 0.999), 100)
  t.equal(rankedValue(hundred, 1), 100)
  t.equal(rankedValue(hundred, 0), 1)
  t.equal(rankedValue([7], 0.5), 7)
  t.ok(Number.isNaN(rankedValue([], 0.5)))
})

t.test('samples', async (t) => {
  const samples = new Samples(4)
  for (const value of [40, 10, 30, 20]) samples.add(value)
  t.equal(samples.sum, 100)
  t.same(samples.figures('x'), { 'x.p50': 20, 'x.p99': 40, 'x.p999': 40, 'x.worst': 40 })
  t.equal(samples.worstAfter(1), 30, 'in the order in which they came')
  t.throws(() => samples.add(1), RangeError)
  const some = new Samples(100)
  some.add(5)
  t.equal(some.figures('y')['y.p50'], 5, 'room that was not used does not count')
})

t.test('figures as text', async (t) => {
  const cases: [number, Parameters<typeof shownFigure>[1], string][] = [
    [1234, 'rate', '1.23 k/s'],
    [12.34, 'rate', '12.3/s'],
    [999.6, 'us', '1.00 ms'],
    [250, 'us', '250 µs'],
    [2_500_000, 'us', '2.50 s'],
    [0.5, 'ms', '500 µs'],
    [1500, 'ms', '1.50 s'],
    [333, 'bytes', '333 B'],
    [425_721_856, 'bytes', '426 MB'],
    [0.333, 'times', '0.33x'],
    [12.34, 'times', '12.3x'],
    [99.96, 'bytes', '100 B'],
    [0, 'bytes', '0.00 B'],
    [Number.NaN, 'bytes', '-'],
  ]
  for (const [value, unit, text] of cases) t.equal(shownFigure(value, unit), text)
  t.equal(shownSpread({ median: 2000, min: 900, max: 31_000 }, 'us'), '2.00 (0.90..31.0) ms', 'on one scale')
  t.same(
    alignedTable([
      ['a', 'long cell', ''],
      ['long label', 'b', 'c'],
    ]),
    ['a           long cell', 'long label          b  c'],
  )
})

t.test('results of several rounds', async (t) => {
  const results = new Results()
  results.add('lmdb', { 'gets.rate': 100 }, '512')
  results.add('lmdb', { 'gets.rate': 300 }, '512')
  results.add('lmdb', { 'gets.rate': 1 }, '64')
  t.equal(results.median('lmdb', 'gets512.rate'), 200)
  t.equal(results.median('lmdb', 'gets64.rate'), 1)
  t.ok(Number.isNaN(results.median('lmdb', 'gets.rate')))
  t.ok(Number.isNaN(results.median('unknown', 'gets512.rate')))
  t.equal(spreadCell(results, 'lmdb', 'gets512.rate', 'rate'), '200 (100..300)/s')
  t.equal(spreadCell(results, 'lmdb', 'gets64.rate', 'rate'), '1.00/s')
  t.same(results.toJSON()['lmdb']?.['gets512.rate'], { median: 200, min: 100, max: 300, rounds: [100, 300] })
})

t.test('targets', async (t) => {
  const results = new Results()
  const ours = 'native-free-btree'
  const verdictOf = (what: RegExp): Verdict => btreeTargets(results).find((one) => what.test(one.what))!
  t.equal(verdictOf(/512/).met, undefined, 'nothing was measured')
  results.add(ours, { 'gets512.rate': 80, 'gets64.rate': 59, 'scan.id.rate': 81, 'scan.seq.rate': 149 })
  results.add('lmdb', { 'gets512.rate': 100, 'gets64.rate': 100, 'scan.id.rate': 100 })
  results.add('classic-level', { 'scan.id.rate': 90 })
  t.equal(verdictOf(/512/).met, true)
  t.equal(verdictOf(/64 MB/).met, false)
  t.equal(verdictOf(/id order/).met, true)
  t.equal(verdictOf(/seq order/).met, false)

  results.add(ours, { 'gets64.rate': 61 })
  t.equal(verdictOf(/64 MB/).met, true, '0.6 times lmdb')

  results.add(ours, { 'load.rate': 200, 'load.cpuPerDocument': 7 })
  results.add('lmdb', { 'load.rate': 81, 'load.cpuPerDocument': 20 })
  t.equal(verdictOf(/inserts.*lmdb/).met, false, 'its CPU is of no account')
  results.add('lmdb', { 'load.rate': 75 })
  t.equal(verdictOf(/inserts.*lmdb/).met, true, '2.5 times as fast')
  results.add('better-sqlite3', { 'load.rate': 100, 'load.cpuPerDocument': 12 })
  t.equal(verdictOf(/inserts.*sqlite/).met, true, 'by its CPU')
  results.add('classic-level', { 'load.rate': 155, 'load.cpuPerDocument': 20 })
  t.equal(verdictOf(/inserts.*level/).met, false, 'its CPU is of no account')
  results.add('classic-level', { 'load.rate': 151 })
  t.equal(verdictOf(/inserts.*level/).met, true, '1.3 times as fast')

  results.add(ours, { 'updates.1.bytes': 1900, 'updates.1.filled': 0 })
  t.equal(verdictOf(/batches of 1$/).met, true, 'six times 333')
  results.add(ours, { 'updates.10.bytes': 1500, 'updates.10.filled': 600 })
  t.equal(verdictOf(/batches of 10$/).met, true, 'less what only makes room')
  results.add(ours, { 'updates.100.bytes': 1500, 'updates.100.filled': 400 })
  t.equal(verdictOf(/batches of 100$/).met, false)

  results.add(ours, { 'load.commitCpu.worst': 9000, 'load.commitCpu.worstWarm': 8000 })
  const cpu = verdictOf(/CPU within a commit/)
  t.same([cpu.figure, cpu.met], ['9.00 ms, 8.00 ms once warm', true])
  results.add(ours, { 'load.commitCpu.worst': 10_001, 'load.commitCpu.worstWarm': 8000 })
  t.equal(verdictOf(/CPU within a commit/).met, false, 'any one commit')

  results.add(ours, { 'kills.openMs': 10 })
  t.equal(verdictOf(/kill -9/).met, true)
  results.add(ours, { 'kills.openMs': 301 })
  t.equal(verdictOf(/kill -9/).met, false, 'the worst counts, not the median')

  const bare = { 'bare.sync.growing.p50': 10, 'bare.async.growing.p50': 80, 'bare.async.filled.p50': 50 }
  results.add(ours, { 'probe.onThread': 0, 'probe.filled': 0.9, 'commits.wall.p50': 60, ...bare })
  const single = verdictOf(/one durable document/)
  t.match(single.target, /async\.filled/, 'beside the loop that it is like')
  t.equal(single.met, true)
})

t.test('targets of growth', async (t) => {
  const results = new Results()
  const largest = '10000000'
  const verdictOf = (what: RegExp): Verdict => growthTargets(results).find((one) => what.test(one.what))!
  t.equal(verdictOf(/open after kill/).met, undefined, 'nothing was measured')
  results.add('1000000', { 'kills.openMs': 2000, 'load.peakMemory': 2e9 })
  results.add(largest, { 'kills.openMs': 300, 'load.peakMemory': 256 * 2 ** 20 + 200_000_000 })
  t.equal(verdictOf(/open after kill/).met, true)
  t.equal(verdictOf(/peak memory/).met, true, 'the budget and 200 MB')
  results.add(largest, { 'kills.openMs': 301, 'scan.peakMemory': 256 * 2 ** 20 + 200_000_001 })
  t.equal(verdictOf(/open after kill/).met, false)
  t.equal(verdictOf(/peak memory/).met, false, 'of any part')
})
