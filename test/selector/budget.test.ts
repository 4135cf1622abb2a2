/** The time that a selector has for a document. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { SelectorBudget } from '../../src/selector/budget.ts'

/** More than a document has. */
const LONG_MS = 200
/** Between two looks at the clock. */
const STEPS = 1000

const isTold = existsSync('/proc/thread-self/schedstat')

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function take(budget: SelectorBudget, steps: number): void {
  for (let i = 0; i < steps; i++) budget.step()
}

t.test(
  'what had no processor has used no time',
  { skip: !isTold && 'this system does not tell' },
  async (t) => {
    const budget = new SelectorBudget()
    budget.measure(() => {
      sleep(LONG_MS)
      take(budget, STEPS)
    })
    t.throws(
      () =>
        budget.measure(() => {
          sleep(LONG_MS)
          for (;;) take(budget, STEPS)
        }),
      { message: /too much time on one document/ },
      'and then there is an end, too',
    )
  },
)

t.test('a document that takes too long is refused', async (t) => {
  const budget = new SelectorBudget()
  const endless = (): void => {
    for (;;) take(budget, STEPS)
  }
  t.throws(() => budget.measure(endless), { message: /too much time on one document/ })
  budget.measure(() => take(budget, STEPS))
  t.throws(() => budget.measure(endless), { message: /too much time on one document/ }, 'each has the same')
})
