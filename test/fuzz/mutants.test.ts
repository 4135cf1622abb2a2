import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MUTANTS } from '../../fuzz/mutants.ts'
import { COMPILED, mutated } from '../../fuzz/mutations.ts'
import { BY_NAME } from '../../fuzz/targets/index.ts'

t.test('every mutation has its one place in the engine, and a target', async (t) => {
  t.ok(MUTANTS.length >= 10)
  for (const mutant of MUTANTS) {
    const text = readFileSync(join(COMPILED, mutant.file), 'utf8')
    t.not(mutated(text, mutant), text, mutant.name)
    t.ok(BY_NAME.has(mutant.target), mutant.target)
  }
  t.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

t.test('a place that is gone, or there twice, is an error', async (t) => {
  const mutant = { ...MUTANTS[0]!, find: 'abc', replace: 'x' }
  t.throws(() => mutated('ab', mutant), { message: /occurs 0 times/ })
  t.throws(() => mutated('abcabc', mutant), { message: /occurs 2 times/ })
})
