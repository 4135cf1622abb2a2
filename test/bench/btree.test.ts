import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { btree } from '../../bench/btree.ts'

interface Written {
  results: Record<string, Record<string, { median: number; rounds: number[] }>>
  targets: { what: string; met?: boolean }[]
  failures: string[]
  machine: { cores: number; node: string }
}

t.test('a whole run, as small as it can be', async (t) => {
  const folder = t.testdir()
  const out = join(folder, 'out.json')
  const lines: string[] = []
  const parts = 'load,gets,scans,commits,writers,kills'
  const asked = [
    '--documents',
    '2000',
    '--rounds',
    '1',
    '--engines',
    'ours,bare',
    '--kills',
    '1',
    '--only',
    parts,
  ]
  await btree.run([...asked, '--folder', folder, '--out', out], (line) => lines.push(line))

  const { results, targets, failures, machine } = JSON.parse(readFileSync(out, 'utf8')) as Written
  t.same(failures, [])
  t.equal(machine.node, process.version)
  const ours = results['native-free-btree'] ?? {}
  for (const name of [
    'load.rate',
    'load.cpuPerDocument',
    'load.commitCpu.worst',
    'load.fileBytes',
    'load.peakMemory',
    'gets512.rate',
    'gets64.rate',
    'scan.id.rate',
    'scan.seq.rate',
    'ranges.rate',
    'commits.wall.p50',
    'probe.bytes',
    'bare.sync.growing.p50',
    'bare.async.filled.p50',
    'writers.rate',
    'kills.openMs',
  ]) {
    t.equal(ours[name]?.rounds.length, 1, name)
    t.ok((ours[name]?.median ?? Number.NaN) > 0, name)
  }
  // Each commit holds a body of 301 bytes and what finds it again.
  t.ok(ours['probe.bytes']!.median > 301 && ours['probe.bytes']!.median < 4096)
  t.ok(ours['load.fileBytes']!.median > 2000 * 301)
  t.ok((results['bare loop']?.['load.rate']?.median ?? 0) > 0)
  const verdicts = new Map(targets.map(({ what, met }) => [what, met]))
  t.type(verdicts.get('one durable document a commit, p50'), 'boolean')
  t.equal(verdicts.get('random gets, 512 MB'), undefined, 'no peer, no verdict')
  t.ok(lines.some((line) => /^inserts, 1,000 a commit.*\/s/.test(line)))
  t.ok(lines.some((line) => /one durable document a commit, p50.*(met|MISSED)$/.test(line)))
})

t.test('what a step fails with is reported', async (t) => {
  const { runStep } = await import('../../bench/btree/children.ts')
  const job = {
    step: 'gets',
    engine: 'native-free-btree',
    folder: t.testdir(),
    documents: 10,
    operations: 10,
    cacheBytes: 1024,
    seed: 1,
    round: 0,
  }
  await t.rejects(
    runStep(job, () => {}),
    { message: /gets: .*document \d+ was not what was stored/ },
  )
  await t.rejects(
    runStep({ ...job, step: 'dance' }, () => {}),
    { message: /there is no step dance/ },
  )
  await t.rejects(
    runStep({ ...job, engine: 'oracle' }, () => {}),
    { message: /there is no engine oracle/ },
  )
})
