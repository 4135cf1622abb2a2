/**
 * Calls a design function, in a process that has no descriptors left then, and again when it has some: prints what each call
 * came to. The first argument names the sandbox; with `cold` behind it no function was called before.
 */
import { closeSync, openSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.ts'
import { type SandboxKind, Scripting } from '../../src/scripting/scripting.ts'
import { designOf, outcomeOf } from './scripting.ts'
import { until } from './until.ts'

const room = new Scripting({
  clock: systemClock,
  sandbox: process.argv[2] as SandboxKind,
  threads: 1,
  idleMs: 50,
})
const design = designOf({ validate_doc_update: 'function() { throw {forbidden: "no"} }' })
const call = async (): Promise<void> => {
  const outcome = await outcomeOf(room.validate(design, {}, null, {}, {})).catch(
    ({ code }: NodeJS.ErrnoException) => ({ code }),
  )
  process.stdout.write(`${JSON.stringify(outcome)}\n`)
}
if (process.argv[3] !== 'cold') {
  await call()
  await until('whoever ran it has gone', () => room.threads === 0)
}
const taken: number[] = []
try {
  for (;;) taken.push(openSync('/dev/null', 'r'))
} catch {
  // There are no more.
}
await call()
for (const each of taken) closeSync(each)
await call()
await room.close()
