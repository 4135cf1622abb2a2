/** Lines of calls, and threads that cannot be had. */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Limits } from '../../src/scripting/limits.ts'
import { type Errand, Lines, type Program } from '../../src/scripting/threads/lines.ts'
import type { Reply } from '../../src/scripting/threads/protocol.ts'
import type { Runner, StartRunner } from '../../src/scripting/threads/runner.ts'

const CALL: Errand = { call: Buffer.from('[]'), reading: 'text' }
const PROGRAM: Program = { key: 'k', design: Buffer.from('{}'), owner: 'db' }
const ANSWER: Reply = { isAbsent: false, outcomes: [{ bytes: Buffer.from('1') }], log: [] }

/** One that answers when it is told to, and how many of its kind run at once. */
class HeldRunner implements Runner {
  isBusy = false
  busySinceMs = 0
  isGone = false
  answer: () => void = () => {}

  suits(): boolean {
    return true
  }

  run(): Promise<Reply> {
    this.isBusy = true
    return new Promise((resolve) => {
      this.answer = () => {
        this.isBusy = false
        resolve(ANSWER)
      }
    })
  }

  async end(): Promise<void> {}
}

function linesOf(start: StartRunner): Lines {
  const lines = new Lines({
    clock: systemClock,
    limits: () => ({ timeoutMs: 1000 }) as Limits,
    threads: 2,
    mostThreads: 4,
    idleMs: 1000,
    mostWaiting: 100,
    onLog: () => {},
    prepare: async () => start,
  })
  t.teardown(() => lines.close())
  return lines
}

const turns = async (): Promise<void> => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve))
}

t.test('where the system has no thread to give, calls fail and later ones run', async (t) => {
  let isRefused = true
  const runner = new HeldRunner()
  const lines = linesOf(() => {
    if (isRefused) throw new Error('EAGAIN')
    return runner
  })
  await t.rejects(lines.run(PROGRAM, CALL), { message: /no thread/ })
  await t.rejects(lines.run(PROGRAM, CALL), { message: /no thread/ })
  isRefused = false
  const run = lines.run(PROGRAM, CALL)
  await turns()
  runner.answer()
  t.match(await run, ANSWER.outcomes[0])
})

t.test('where it has no other one, calls wait for the one that there is', async (t) => {
  const runner = new HeldRunner()
  let started = 0
  const lines = linesOf(() => {
    started += 1
    if (started > 1) throw new Error('EAGAIN')
    return runner
  })
  const first = lines.run(PROGRAM, CALL)
  await turns()
  const other = lines.run({ ...PROGRAM, key: 'other' }, CALL)
  await turns()
  t.ok(started > 1, 'another thread was asked for')
  runner.answer()
  await first
  await turns()
  runner.answer()
  t.match(await other, ANSWER.outcomes[0])
})

t.test('calls of one design document run one after the other, whoever gave up waiting', async (t) => {
  const runners: HeldRunner[] = []
  const lines = linesOf(() => {
    const runner = new HeldRunner()
    runners.push(runner)
    return runner
  })
  const job: Errand = { job: { do: 'compile', parts: [] }, transfer: [] }
  const gone = new AbortController()
  const given = lines.run(PROGRAM, job, gone.signal)
  await Promise.resolve()
  await Promise.resolve()
  gone.abort()
  await t.rejects(given, { message: /cancelled/ })
  const calls = [lines.run(PROGRAM, job), lines.run(PROGRAM, job)]
  await turns()
  t.equal(runners.filter(({ isBusy }) => isBusy).length, 1)
  runners[0]!.answer()
  await calls[0]
  await turns()
  t.equal(runners.filter(({ isBusy }) => isBusy).length, 1)
  for (const runner of runners) runner.answer()
  await Promise.all(calls)
})

t.test('who is answered finds the thread at its next job already', async (t) => {
  const runner = new HeldRunner()
  const lines = linesOf(() => runner)
  const job: Errand = { job: { do: 'compile', parts: [] }, transfer: [] }
  const isBusyThen = lines.run(PROGRAM, job).then(() => runner.isBusy)
  const next = lines.run(PROGRAM, job)
  await turns()
  runner.answer()
  t.ok(await isBusyThen, 'though the event loop has not turned')
  runner.answer()
  await next
  t.notOk(runner.isBusy)
})
