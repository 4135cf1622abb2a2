import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MUTANTS } from '../../fuzz/mutants.ts'
import { COMPILED, mutated } from '../../fuzz/mutations.ts'
import { BY_NAME } from '../../fuzz/targets/index.ts'

const PARSE_ALL = `
  import { readdirSync, readFileSync } from 'node:fs'
  import { SourceTextModule } from 'node:vm'
  const [folder] = process.argv.slice(1)
  for (const name of readdirSync(folder)) {
    new SourceTextModule(readFileSync(folder + '/' + name, 'utf8'), { identifier: name })
  }
`

t.test('every mutation has its one place in the engine, and a target', async (t) => {
  t.ok(MUTANTS.length >= 10)
  const folder = t.testdir()
  for (const mutant of MUTANTS) {
    const text = readFileSync(join(COMPILED, mutant.file), 'utf8')
    const changed = mutated(text, mutant)
    t.not(changed, text, mutant.name)
    writeFileSync(join(folder, `${mutant.name}.js`), changed)
    t.ok(BY_NAME.has(mutant.target), mutant.target)
  }
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', '--input-type=module', '--eval', PARSE_ALL, folder],
    { encoding: 'utf8' },
  )
  t.equal(status, 0, `each is a program: ${stderr}`)
  t.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

t.test('a place that is gone, or there twice, is an error', async (t) => {
  const mutant = { ...MUTANTS[0]!, find: 'abc', replace: 'x' }
  t.throws(() => mutated('ab', mutant), { message: /occurs 0 times/ })
  t.throws(() => mutated('abcabc', mutant), { message: /occurs 2 times/ })
})
