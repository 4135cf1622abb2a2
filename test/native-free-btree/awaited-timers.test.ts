/**
 * What a caller waits for comes, where nothing but a timer of the engine's is left to wait for: a process whose timers hold it
 * not ends then, as if all were done, and what was to be written or given back is not.
 */
import t from 'tap'
import { startChild } from '../support/child.ts'

t.setTimeout(120_000)

for (const wait of ['transaction', 'turn', 'close', 'follower', 'pause']) {
  t.test(wait, async (t) => {
    const child = startChild('./waiting-program.js', [wait])
    t.equal(await child.ended, 0, child.err)
    t.equal(child.out, 'done\n')
  })
}
