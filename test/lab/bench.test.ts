/** `lab bench`: what is drawn, what is recorded, and a whole run as small as it can be. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { BenchFile } from '../../src/lab/bench/bench-file.ts'
import { chooserOf, fnvHash64, Zipfian, zeta } from '../../src/lab/bench/chooser.ts'
import { ratioOf, studentReach } from '../../src/lab/bench/interval.ts'
import type { Job, RunResult } from '../../src/lab/bench/job.ts'
import { killAmidUpdates, openings } from '../../src/lab/bench/opening.ts'
import { PERCENTILES, Recorder } from '../../src/lab/bench/recorder.ts'
import { reportHtml } from '../../src/lab/bench/report-html.ts'
import { reasonAgainst, WORKLOADS, workloadsOf } from '../../src/lab/bench/workloads.ts'
import { MIXES, RECORD_BYTES, type YcsbName, YcsbSource } from '../../src/lab/bench/ycsb.ts'
import { runLab } from '../../src/lab/command-line.ts'
import { Documents } from '../../src/lab/measure/documents.ts'
import { machineOf } from '../../src/lab/measure/machine.ts'
import { withOpened } from '../../src/lab/opened.ts'
import { Random } from '../../src/lab/random.ts'
import { nativeStore } from '../../src/lab/stores/native.ts'

t.setTimeout(120_000)

const BROKEN = fileURLToPath(new URL('../../../test/lab/broken-stores.mjs', import.meta.url))

t.test('keys are those of YCSB', async (t) => {
  // As its client prints them for the first records that it inserts.
  t.equal(`user${fnvHash64(0)}`, 'user6284781860667377211')
  t.equal(`user${fnvHash64(1)}`, 'user8517097267634966620')
})

t.test('draws are zipfian', async (t) => {
  const [items, draws] = [1000, 20_000]
  const [zipfian, random, total] = [new Zipfian(items), new Random(5), zeta(items)]
  const counts = Array.from({ length: items }, () => 0)
  for (let i = 0; i < draws; i++) counts[zipfian.next(random)]! += 1
  for (const rank of [1, 2]) {
    const expected = draws / rank ** 0.99 / total
    const off = Math.abs(counts[rank - 1]! - expected)
    t.ok(off < 5 * Math.sqrt(expected), `rank ${rank}: ${counts[rank - 1]} where ${expected} were due`)
  }
  // Beyond the second the draw is a continuous one that follows the law without meeting it at each rank.
  const tail = counts.slice(100).reduce((sum, count) => sum + count, 0)
  const due = (draws * (total - zeta(100))) / total
  t.ok(Math.abs(tail - due) < due * 0.05, `${tail} beyond the hundredth, ${due} due`)
})

t.test('what is drawn is there', async (t) => {
  const random = new Random(3)
  const draw = (name: 'zipfian' | 'uniform' | 'latest', last: number): number[] => {
    const chooser = chooserOf(name, 100)
    return Array.from({ length: 3000 }, () => chooser.next(random, last))
  }
  for (const name of ['zipfian', 'uniform', 'latest'] as const) {
    t.ok(
      draw(name, 79).every((number) => number >= 0 && number <= 79),
      name,
    )
  }
  const times = (numbers: number[], wanted: number): number =>
    numbers.filter((number) => number === wanted).length
  const latest = draw('latest', 79)
  t.ok(times(latest, 79) > times(latest, 78) && times(latest, 78) > times(latest, 40), 'the latest most')
  const popular = Number(fnvHash64(0) % 100n)
  const scattered = draw('zipfian', 99)
  t.ok(times(scattered, popular) > 3000 / 27, 'the most popular one lies where its hash says')
})

t.test('mixes', async (t) => {
  const kinds = { read: 'read', update: 'update', insert: 'insert', scan: 'scan' } as const
  for (const name of Object.keys(MIXES) as YcsbName[]) {
    const source = new YcsbSource({ name, seed: 1, records: 50 })
    const actions = Array.from({ length: 2000 }, () => source.next())
    for (const [part, kind] of Object.entries(kinds)) {
      const share = actions.filter((action) => action.kind === kind).length / actions.length
      const due = MIXES[name][part as keyof typeof kinds] ?? 0
      t.ok(Math.abs(share - due) < 0.04 && (due > 0 || share === 0), `${name}: ${share} of ${kind}`)
    }
    for (const action of actions) {
      if ('operations' in action) t.equal(action.operations[0]?.value?.length, RECORD_BYTES)
    }
  }
})

t.test('latencies and throughput', async (t) => {
  const recorder = new Recorder()
  for (let i = 1; i <= 1000; i++) recorder.add('read', i / 1000, i, 2)
  recorder.add('scan', 40, 1040, 5)
  const { read, all } = recorder.latencies()
  const at = (share: number): number => read?.percentiles.find(([each]) => each === share)?.[1] ?? Number.NaN
  for (const [share, us] of [
    [50, 500],
    [99, 990],
    [99.9, 999],
    [100, 1000],
  ] as const) {
    t.ok(Math.abs(at(share) - us) <= us / 500, `${share}: ${at(share)}`)
  }
  t.match(all, { count: 1001 })
  t.ok(Math.abs((all?.percentiles.at(-1)?.[1] ?? 0) - 40_000) < 80, 'the longest is there, whatever it is')
  t.equal(recorder.total, 2005)
  t.same(recorder.buckets, [198, ...Array.from({ length: 9 }, () => 200), 2 + 5])
})

t.test('what is asked of which store', async (t) => {
  t.same(
    workloadsOf(['ycsb-e', 'gets']).map(({ name }) => name),
    ['load-random', 'gets', 'ycsb-load', 'ycsb-e'],
  )
  t.throws(() => workloadsOf(['all', 'dance']), { message: /dance is none of all, own, ycsb, load-/ })
  const none = { transactions: false, orderedScans: false, concurrentWriters: false }
  const capabilities = { ...none, multipleProcesses: false, fileSystem: false }
  const reasons = WORKLOADS.flatMap((workload) => {
    const reason = reasonAgainst(workload, { name: 'x', capabilities, keepsNothing: true })
    return reason === undefined ? [] : [`${workload.name}: ${reason}`]
  })
  t.same(reasons, [
    'scans: it has no ordered scans',
    'ranges: it has no ordered scans',
    'writers: it has no concurrent writers',
    'open: it keeps nothing',
    'recovery: it keeps nothing',
    'syncs: it keeps nothing',
    'ycsb-e: it has no ordered scans',
  ])
})

t.test('a run', async (t) => {
  const json = join(t.testdir(), 'out.json')
  let [out, err] = ['', '']
  const status = await runLab(
    [
      ...['bench', '--workload', 'gets,ranges', '--records', '300', '--operations', '40', '--rounds', '1'],
      ...['--store', 'native-free-btree', '--store', BROKEN, '--set', 'bug=invents', '--json', json],
    ],
    {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
    },
  )
  t.equal(status, 1, 'something failed')
  t.match(err, /1\/6 round 1, load-random, native-free-btree\n[\s\S]*6\/6 /)
  const { stores, machine } = JSON.parse(readFileSync(json, 'utf8')) as BenchFile
  t.equal(machine.node, process.version)
  t.same(
    stores.map(({ label }) => label),
    ['native-free-btree', 'broken bug=invents'],
  )
  const ours = stores[0]!.workloads
  const loaded = ours['load-random']?.rounds[0]
  t.match(loaded?.figures, { rate: Number, cpuUs: Number, peakMemoryBytes: Number, closeMs: Number })
  t.ok(loaded!.figures.spaceAmplification! >= 1, 'as much room as what is there')
  t.ok(loaded!.figures.writeAmplification! >= 1)
  t.equal(
    loaded!.buckets.reduce((sum, count) => sum + count, 0),
    300,
  )
  t.equal(ours['gets']?.rounds[0]?.latencies['read']?.count, 40)
  t.equal(ours['ranges']?.rounds[0]?.latencies['scan']?.count, 40)
  // It gives back more bytes than were put, once it has been opened again.
  t.match(stores[1]?.failures, [
    { workload: 'gets', message: /get\(\) gave 302 bytes where 301 bytes had been/ },
  ])
  t.match(out, /\nFAILED: gets of broken bug=invents, round 1: gets: Error: get\(\) gave 302 bytes/)
  t.match(out, /\nleft out: ranges of broken bug=invents: it has no ordered scans\n/)
  t.match(out, /\nload-random: inserts with scattered keys[^\n]*\n {2}native-free-btree +\d/)
})

t.test('opening after a kill', async (t) => {
  const job: Job = {
    workload: 'recovery',
    words: 'native-free-btree',
    settings: {},
    folder: join(t.testdir(), 'store'),
    cacheBytes: 16 * 1024 * 1024,
    records: 500,
    seed: 1,
    seconds: 0,
    actions: 0,
    durable: true,
    fills: false,
  }
  mkdirSync(job.folder)
  await withOpened(nativeStore, job.folder, {}, (opened) =>
    opened.write(new Documents(job.seed).batch(0, job.records), { durable: true }),
  )
  const found = await openings(
    job,
    1,
    (number) => killAmidUpdates(job, number, true),
    () => {},
  )
  t.match(found.figures, { openMs: Number, firstReadMs: Number })
  t.equal(found.latencies['open']?.count, 1)
})

t.test('intervals', async (t) => {
  // From tables of Student's distribution.
  for (const [freedom, reach] of [
    [1, 12.706],
    [2, 4.303],
    [4, 2.776],
    [30, 2.042],
  ] as const) {
    t.ok(Math.abs(studentReach(freedom, 0.95) - reach) < 0.001, `${freedom}: ${studentReach(freedom, 0.95)}`)
  }
  const same = ratioOf([100, 110, 90], [98, 108, 94])
  t.ok(same.interval![0] < 1 && same.interval![1] > 1, 'no difference')
  const twice = ratioOf([100, 101, 99], [200, 203, 199])
  t.ok(twice.interval![0] > 1.9 && twice.interval![1] < 2.1 && Math.abs(twice.ratio - 2) < 0.02)
  t.same(ratioOf([100], [200, 201]).interval, undefined, 'one round has no spread')
  t.same(ratioOf([3, 3], [6, 6]).interval?.map(Math.round), [2, 2])
})

t.test('two runs, and a page', async (t) => {
  const folder = t.testdir()
  const round = (rate: number, us: number): RunResult => ({
    figures: { rate, cpuUs: us },
    latencies: {
      read: {
        count: 9,
        meanUs: us,
        percentiles: PERCENTILES.map((share) => [share, us * (1 + share / 100)]),
      },
    },
    buckets: [rate / 10, rate / 20, rate / 10],
  })
  const fileOf = (rates: readonly number[]): BenchFile => ({
    format: 'davenport-lab-bench',
    version: 1,
    date: '2026-01-01T00:00:00.000Z',
    seconds: 1,
    machine: machineOf(folder),
    othersCores: 0,
    asked: { records: 10, rounds: rates.length, cacheBytes: 2 ** 20, workloads: ['gets'] },
    bucketMs: 100,
    stores: ['one', '<two>'].map((label) => ({
      ...{ label, words: label, settings: {}, name: label, version: '1', leftOut: [], failures: [] },
      capabilities: nativeStore.capabilities,
      workloads: {
        gets: { about: 'gets', unit: 'operations', rounds: rates.map((rate) => round(rate, 1e4 / rate)) },
      },
    })),
  })
  const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')]
  writeFileSync(a, JSON.stringify(fileOf([1000, 1010, 990])))
  writeFileSync(b, JSON.stringify(fileOf([2000, 2010, 1990])))
  let out = ''
  const console = {
    out: (text: string) => {
      out += text
    },
    err: (text: string) => {
      out += text
    },
  }
  t.equal(await runLab(['compare', a, b], console), 0)
  t.match(out, /\none\n[\s\S]*gets: in a second +1\.00 k\/s +2\.00 k\/s +2\.00x +1\.9\d to 2\.0\d +better\n/)
  t.match(out, /gets: p99 +[\d.]+ µs +[\d.]+ µs +0\.50x +0\.\d\d to 0\.5\d +better\n/)
  out = ''
  t.equal(await runLab(['compare', a, join(folder, 'none.json')], console), 2)
  t.match(out, /cannot be read/)

  const html = reportHtml(fileOf([1000, 2000]))
  t.notMatch(html, /<script|https?:|<two>/, 'by itself, and what a store is called is text')
  t.equal(html.match(/<svg class="plot"/g)?.length, 3)
  t.equal(html.match(/<polyline/g)?.length, 4, 'a line for each store in each plot of lines')
  t.match(html, /prefers-color-scheme:dark/)
  t.notMatch(html, /NaN|Infinity|undefined/)
})
