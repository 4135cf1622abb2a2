/** Functions in processes of V8's: how calls and processes end, and what such a process has of the machine. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { designOf, outcomeOf, scripting } from '../support/scripting.ts'
import { until } from '../support/until.ts'

/** Time enough for what is to take memory instead. */
const LIMITS = { timeoutMs: 30_000, memoryBytes: 32 * 1024 * 1024 }
const SHORT = { ...LIMITS, timeoutMs: 500 }
t.setTimeout(120_000)

const BODY = `function(doc) {
  if (doc.how === "loop") for (;;);
  if (doc.how === "heap") { var a = []; for (;;) a.push(new Array(1000).fill(1)) }
  if (doc.how === "buffers") { var b = []; for (;;) b.push(new Uint8Array(1e6).fill(1)) }
  if (doc.how === "stack") (function f() { f() })();
  throw {forbidden: doc.how}
}`

t.test(
  'a call that takes what it may not ends with its process, and the calls beside it are answered',
  async (t) => {
    const room = scripting({ sandbox: 'v8', limits: LIMITS, threads: 1, mostThreads: 1 })
    t.teardown(() => room.close())
    const design = designOf({ validate_doc_update: BODY })
    const call = (how: string) => outcomeOf(room.validate(design, { how }, null, {}, {}))
    await call('a')
    const ends = { loop: 'timeout', heap: 'memory', buffers: 'memory', stack: 'stack' }
    for (const [how, kind] of Object.entries(ends)) {
      room.limits = kind === 'timeout' ? SHORT : LIMITS
      const outcomes = await Promise.all(['b', how, 'c'].map(call))
      t.match(outcomes, [{ reason: 'b' }, { error: 'os_process_error', kind }, { reason: 'c' }], how)
    }
    t.match(await call('d'), { reason: 'd' })
  },
)

t.test('memory that may be taken can be changed', async (t) => {
  const room = scripting({ sandbox: 'v8', limits: LIMITS, threads: 1, mostThreads: 1 })
  t.teardown(() => room.close())
  const design = designOf({ validate_doc_update: 'function() {}' })
  await room.validate(design, {}, null, {}, {})
  const before = childrenOf(process.pid)
  await room.validate(design, {}, null, {}, {})
  t.same(childrenOf(process.pid), before, 'it is used again')
  room.limits = { ...LIMITS, memoryBytes: 2 * LIMITS.memoryBytes }
  await room.validate(design, {}, null, {}, {})
  await until('another one has taken its place', () => {
    const now = childrenOf(process.pid)
    return now.length === 1 && now[0] !== before[0]
  })
})

t.test('a process has no secrets of the environment, and no files', async (t) => {
  process.env['DAVENPORT_ADMINS__SECRET'] = 'hidden'
  t.teardown(() => {
    delete process.env['DAVENPORT_ADMINS__SECRET']
  })
  const room = scripting({ sandbox: 'v8', threads: 1, mostThreads: 1 })
  t.teardown(() => room.close())
  await room.validate(designOf({ validate_doc_update: 'function() {}' }), {}, null, {}, {})
  const pids = childrenOf(process.pid)
  t.equal(pids.length, 1)
  const [pid] = pids
  if (!existsSync(`/proc/${pid}/environ`)) return
  const environ = execFileSync('cat', [`/proc/${pid}/environ`]).toString()
  t.notMatch(environ, /hidden|PATH/)
  const args = execFileSync('cat', [`/proc/${pid}/cmdline`]).toString()
  t.match(args, /permission/)
  t.notMatch(args, /allow-fs-write|allow-child-process|allow-fs-read=(?:\*|\/\0)/)
})

function childrenOf(pid: number): number[] {
  try {
    return execFileSync('pgrep', ['-P', String(pid), '-f', 'processes/process'])
      .toString()
      .trim()
      .split('\n')
      .map(Number)
  } catch {
    return []
  }
}

const PARENT = `
import { Scripting } from ${JSON.stringify(new URL('../../src/scripting/scripting.js', import.meta.url).href)}
import { Design } from ${JSON.stringify(new URL('../../src/scripting/design.js', import.meta.url).href)}
import { systemClock } from ${JSON.stringify(new URL('../../src/base/clock.js', import.meta.url).href)}
const room = new Scripting({ clock: systemClock, sandbox: 'v8', limits: { timeoutMs: 600000 } })
const call = (body) => room.validate(new Design(Buffer.from(JSON.stringify({ validate_doc_update: 'function() { ' + body + ' }' })), body), {}, null, {}, {})
await Promise.all([call(''), call('return 1')])
void call('for (;;);')
void call('')
process.stdout.write('ready')
setInterval(() => {}, 1000)
`

t.test('processes end with the one that they work for, however it ends and whatever they do', async (t) => {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => parent.kill('SIGKILL'))
  await once(parent.stdout, 'data')
  const pids = childrenOf(parent.pid!)
  t.ok(pids.length > 0, 'there are some')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await until('they have ended', () => pids.every((pid) => !isAlive(pid)))
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(execFileSync('cat', [`/proc/${pid}/status`]).toString())
  } catch {
    return false
  }
}
