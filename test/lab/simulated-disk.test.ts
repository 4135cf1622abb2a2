/** The third depth: a right toy and ours pass, planted bugs are found, and what was found plays again. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { SimulatedDisk } from '../../src/lab/disk/simulated-disk.ts'
import { lab } from '../support/lab-command.ts'

t.setTimeout(300_000)

const TOY = fileURLToPath(new URL('../../../docs/lab/sector-log.mjs', import.meta.url))
const NO_FILE_SYSTEM = fileURLToPath(new URL('../../../docs/lab/file-log.mjs', import.meta.url))

t.test('what is right passes', async (t) => {
  for (const store of [TOY, 'native-free-btree']) {
    const passed = await lab('fuzz', '--depth', '3', '--seed', '1', '--lives', '2', '--store', store)
    t.match(passed, { status: 0, out: /states: \d+\n[\s\S]*nothing was found/ }, passed.out)
  }
})

t.test('each planted bug is found, and plays again', async (t) => {
  for (const [bug, fault, pattern] of [
    ['trusting', 'failed-sync', /FOUND acknowledged write lost: .* \[failed-sync\]/],
    ['unchecked', 'bit-rot', /FOUND (never written|half of|order|not opened|acknowledged write lost)/],
    ['headless', 'zeroed-sector', /FOUND acknowledged write lost: .* \[zeroed-sector after it was closed: /],
  ] as const) {
    const out = t.testdir()
    const asked = ['--depth', '3', '--seed', '4', '--faults', fault, '--no-shrink', '--out', out]
    const found = await lab('fuzz', ...asked, '--store', TOY, '--set', `bug=${bug}`)
    t.match(found, { status: 1, out: pattern }, bug)
    if (bug !== 'headless') continue
    const told = /FOUND (.*)/.exec(found.out)?.[1] ?? ''
    const again = await lab('replay', join(out, readdirSync(out)[0]!))
    t.ok(again.out.includes(`now, try 1: ${told}`), again.out)
  }
})

t.test('a store that takes no file system is refused, and so are faults of other names', async (t) => {
  const refused = await lab('fuzz', '--depth', '3', '--store', NO_FILE_SYSTEM)
  t.match(refused, { status: 2, out: /file-log takes no file system/ })
  const unknown = await lab('fuzz', '--depth', '3', '--store', TOY, '--faults', 'bit-rot,gremlins')
  t.match(unknown, { status: 2, out: /--faults takes none or some of full-disk, .*not "gremlins"/ })
})

t.test('a sync that lies resolves and makes nothing durable', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await disk.open('/d/f', 'create')
  await file.write(Buffer.from('abc'), 0)
  disk.inject({ on: 'sync', lies: true })
  disk.inject({ on: 'syncDirectory', lies: true })
  await file.sync()
  await disk.syncDirectory('/d')
  t.equal(disk.faultsMet, 2)
  t.same(disk.afterCrashPrefix(0).paths(), [])
  const copy = disk.copy()
  t.same(copy.afterCrashPrefix(0).paths(), ['/d/f'], 'a copy has all of it on the platter')
  await file.sync()
  await disk.syncDirectory('/d')
  t.equal(Buffer.from(disk.afterCrashPrefix(0).content('/d/f')).toString(), 'abc')
})
