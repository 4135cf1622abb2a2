import { spawnSync } from 'node:child_process'
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

interface Scheduled {
  nice: number
  policy: number
}

/** Of each thread of this process; the 17th and the 39th field behind the name are `nice` and `policy` (proc(5)). */
function scheduled(): Scheduled[] {
  return readdirSync('/proc/self/task').flatMap((thread) => {
    let text: string
    try {
      text = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
    } catch {
      return [] // It has ended.
    }
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return [{ nice: Number(fields[16]), policy: Number(fields[38]) }]
  })
}

const LOWEST = 19
const BELOW_NORMAL = 10
const SCHED_IDLE = 5
const SLOW: Derivation = { ...LONG, iterations: 1_500_000 }

const skip = process.platform === 'linux' ? false : 'threads have priorities of their own on Linux alone'
const hasPolicies = spawnSync('chrt', ['-i', '0', 'true']).status === 0

/** Rejects when the key is derived before. */
async function whileDeriving(threads: DeriveThreads, isSo: () => boolean): Promise<void> {
  let isOver = false
  const work = threads.derive(SLOW).finally(() => {
    isOver = true
  })
  await until('threads give way', () => isOver || isSo())
  if (isOver) throw new Error('no thread gave way')
  await work
}

t.test('the thread takes what the others leave', { skip }, async (t) => {
  const own = scheduled().filter(({ nice, policy }) => nice === LOWEST || policy === SCHED_IDLE)
  t.same(own, [], 'none does by itself')
  await whileDeriving(new DeriveThreads(1), () => scheduled().some(({ nice }) => nice === LOWEST))
  const sunk = scheduled().filter(({ nice }) => nice === LOWEST)
  t.same(
    sunk,
    [{ nice: LOWEST, policy: hasPolicies ? SCHED_IDLE : 0 }],
    'one, and under the policy for it if there is one',
  )
})

t.test(
  'a key that takes too long there is derived by a thread with a share of its own',
  { skip },
  async (t) => {
    const threads = new DeriveThreads(1, () => 0)
    const shares = (): number[] => scheduled().map(({ nice }) => nice)
    await whileDeriving(threads, () => shares().includes(LOWEST) && shares().includes(BELOW_NORMAL))
    t.equal(hex(await threads.derive(LONG)), expected(LONG), 'while another one is late, too')
  },
)

t.test('keys are the same in threads and out of them, several at once', async (t) => {
  const threads = new DeriveThreads(2)
  const wanted = [SHORT, LONG, { ...LONG, digest: 'sha1', bytes: 20 }, { ...LONG, salt: 'other' }]
  const keys = await Promise.all(wanted.map((each) => threads.derive(each)))
  t.same(keys.map(hex), wanted.map(expected))
  const unknown = { ...LONG, digest: 'none' }
  await t.rejects(threads.derive(unknown), 'what cannot be derived is an error')
  t.equal(hex(await threads.derive(LONG)), expected(LONG), 'and harms nobody')
})
