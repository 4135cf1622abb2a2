/**
 * Two toys as somebody writes them from docs/LAB.md, held against the adapter interface, measured, and broken: three planted
 * bugs of the one are found by power cuts, and the other one passes. docs/LAB.md has the command for 10,000 states.
 */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { lab, withoutStrace } from '../support/lab-command.ts'

t.setTimeout(1_200_000)

const toy = (name: string): string => fileURLToPath(new URL(`../../../docs/lab/${name}`, import.meta.url))
const [RIGHT, PLANTED] = [toy('file-log.mjs'), toy('renaming.mjs')]

const STATES = 40
/** What a bug may take; a bug that is there at every other moment is found by the first few. */
const MOST_STATES_OF_A_BUG = 2000

const skip = withoutStrace()

t.test('they are what they say', async (t) => {
  for (const store of [RIGHT, PLANTED]) t.match(await lab('check', '--store', store), { status: 0 })
})

t.test('they are measured', async (t) => {
  const few = [
    '--workload',
    'load-random,commits,recovery',
    '--records',
    '1000',
    '--rounds',
    '1',
    '--openings',
    '1',
  ]
  const measured = await lab('bench', '--store', RIGHT, '--store', PLANTED, ...few, '--operations', '50')
  t.match(measured, { status: 0, out: /commits: [^\n]*\n {2}file-log +\d[\s\S]*\n {2}renaming +\d/ })
})

t.test('three planted bugs are found', { skip }, async (t) => {
  for (const [bug, model] of [
    ['early', 'ext4-writeback'],
    ['nameless', 'posix-strict'],
    ['halves', 'ext4-ordered'],
  ] as const) {
    const limits = ['--depth', '2', '--first', '--seed', '1', '--states', String(MOST_STATES_OF_A_BUG)]
    const place = ['--model', model, '--out', t.testdir()]
    const found = await lab('fuzz', ...limits, ...place, '--store', PLANTED, '--set', `bug=${bug}`)
    t.match(found, { status: 1, out: /^FOUND /m }, bug)
    t.comment(`${bug}: ${/^FOUND (.*)$/m.exec(found.out)?.[1]}`)
  }
})

t.test('the right one passes', { skip }, async (t) => {
  const asked = ['--depth', '2', '--seed', '1', '--states', String(STATES), '--out', t.testdir()]
  const passed = await lab('fuzz', ...asked, '--store', RIGHT)
  t.match(passed, { status: 0, out: /nothing was found/ }, passed.out)
  t.equal(Number(/states: (\d+)/.exec(passed.out)?.[1]), STATES)
  t.comment(passed.out)
})
