/** Where the process has no descriptors left, a call of a design function fails, and nothing else does. */
import t from 'tap'
import { startChild } from '../support/child.ts'

t.setTimeout(60_000)

for (const sandbox of ['v8', 'quickjs']) {
  t.test(sandbox, async (t) => {
    const child = startChild('./no-descriptors-program.js', [sandbox], {}, { openFiles: 100 })
    t.equal(await child.ended, 0, child.err)
    const [before, without, later] = child.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(before, { error: 'forbidden' })
    t.match(without, { kind: /busy|crashed/ })
    t.match(later, { error: 'forbidden' })
  })

  t.test(`${sandbox}, before the first call`, async (t) => {
    const child = startChild('./no-descriptors-program.js', [sandbox, 'cold'], {}, { openFiles: 100 })
    t.equal(await child.ended, 0, child.err)
    const [without, later] = child.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(without, sandbox === 'quickjs' ? { code: 'EMFILE' } : { kind: /busy|crashed/ })
    t.match(later, { error: 'forbidden' })
  })
}
