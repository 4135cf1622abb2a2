import { pbkdf2Sync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { DeriveThreads } from '../../src/workers/derive.ts'
import type { Derivation } from '../../src/workers/derive-job.ts'
import { until } from '../support/until.ts'

const SHORT: Derivation = { password: 'pässword', salt: 'salt', iterations: 10, bytes: 32, digest: 'sha256' }
const LONG: Derivation = { ...SHORT, iterations: 30_000 }

function expected({ password, salt, iterations, bytes, digest }: Derivation): string {
  return pbkdf2Sync(password, salt, iterations, bytes, digest).toString('hex')
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** Of each thread of this process; `nice` is the 17th field behind the name (proc(5)). */
function niceness(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const text = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16])
  })
}

t.test('keys are the same in threads and out of them, several at once', async (t) => {
  const threads = new DeriveThreads(2)
  const wanted = [SHORT, LONG, { ...LONG, digest: 'sha1', bytes: 20 }, { ...LONG, salt: 'other' }]
  const keys = await Promise.all(wanted.map((each) => threads.derive(each)))
  t.same(keys.map(hex), wanted.map(expected))
  const unknown = { ...LONG, digest: 'none' }
  await t.rejects(threads.derive(unknown), 'what cannot be derived is an error')
  t.equal(hex(await threads.derive(LONG)), expected(LONG), 'and harms nobody')
})

const skip = process.platform === 'linux' ? false : 'threads have priorities of their own on Linux alone'

t.test('where many wait it has next to nothing', { skip }, async (t) => {
  const threads = new DeriveThreads(1)
  const lowest = (): number => niceness().filter((each) => each === 19).length
  let isOver = false
  await threads.derive(LONG)
  const work = threads.derive({ ...LONG, iterations: 3_000_000, isCrowded: true }).finally(() => {
    isOver = true
  })
  await until('a thread sinks', () => isOver || lowest() > 0)
  t.equal(lowest(), 1)
  await work
})

t.test('the thread has less of the processors than the others', { skip }, async (t) => {
  const threads = new DeriveThreads(1)
  const own = Math.min(...niceness())
  const below = (): number => niceness().filter((each) => each > own).length
  // Threads of before wait for work a while.
  const before = below()
  let isOver = false
  const work = threads.derive({ ...LONG, iterations: 3_000_000 }).finally(() => {
    isOver = true
  })
  await until('a thread gives way', () => isOver || below() > before)
  t.equal(below() - before, 1, 'none but that one')
  await work
})
