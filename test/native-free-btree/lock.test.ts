import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { currentProcess } from '../../native-free-btree/lock/identity.ts'
import { acquireLock } from '../../native-free-btree/lock/lock.ts'
import type { OwnerAnswer, OwnerCommand } from '../support/lock-owner.ts'
import { isLong } from '../support/test-run.ts'

const OWNER = fileURLToPath(new URL('../support/lock-owner.js', import.meta.url))
const LINUX = process.platform === 'linux'
const KILLS = isLong ? 8 : 3
const DEAD_PID = 2 ** 22 + 1

type Test = Pick<typeof t, 'teardown'>

class Owner {
  readonly process: ChildProcess

  private constructor(child: ChildProcess) {
    this.process = child
  }

  static async start(test: Test, child = fork(OWNER)): Promise<Owner> {
    const owner = new Owner(child)
    test.teardown(() => owner.kill())
    const [hello] = (await once(child, 'message')) as [OwnerAnswer]
    if (hello.ready !== true) throw new Error('the owner did not start')
    return owner
  }

  async send(command: OwnerCommand): Promise<OwnerAnswer> {
    this.process.send(command)
    const [answer] = (await once(this.process, 'message')) as [OwnerAnswer]
    return answer
  }

  acquire(path: string, identity?: OwnerCommand['identity']): Promise<OwnerAnswer> {
    return this.send({ do: 'acquire', path, ...(identity === undefined ? {} : { identity }) })
  }

  /** SIGKILL; resolves when the process and its descriptors are gone. */
  async kill(): Promise<void> {
    const running = this.process.exitCode === null && this.process.signalCode === null
    const gone = running ? once(this.process, 'exit') : undefined
    const disconnected = this.process.connected ? once(this.process, 'disconnect') : undefined
    this.process.kill('SIGKILL')
    await Promise.all([gone, disconnected])
  }
}

interface RecordFields {
  token?: string
  pid?: number
  [field: string]: unknown
}

/** A lock's content; by default that of a process which no longer exists. */
function record(fields: RecordFields = {}): string {
  const { bootId, pidNamespace } = currentProcess()
  const token = Buffer.from(String(Math.abs(fields.pid ?? 7)).padStart(16, '0')).toString('hex')
  return JSON.stringify({
    version: 1,
    bootId,
    pidNamespace,
    pid: DEAD_PID,
    startTime: '1',
    token,
    socket: null,
    ...fields,
  })
}

function tokenOf(text: string): string {
  return JSON.parse(text).token
}

t.test('a lock is taken, verified, given up, and leaves nothing behind', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const lock = await acquireLock(path)
  t.equal(lock.path, `${path}.lock`)
  t.equal(lock.verify(), true)
  t.match(JSON.parse(readFileSync(lock.path, 'utf8')), {
    version: 1,
    pid: process.pid,
    token: /^[0-9a-f]{32}$/,
  })
  t.equal(readdirSync(folder).filter((name) => name.includes('temp')).length, 0)
  await t.rejects(acquireLock(path), { code: 'LOCKED', details: { pid: process.pid } })
  const second = await acquireLock(join(folder, 'other'))
  await Promise.all([lock.release(), lock.release()])
  t.equal(lock.verify(), false)
  const again = await acquireLock(path)
  await lock.release()
  t.equal(again.verify(), true, 'a second release does not touch the next lock')
  await again.release()
  await second.release()
  t.same(readdirSync(folder), [])
})

t.test('of openings at the same moment one wins', async (t) => {
  const path = join(t.testdir(), 'store')
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => acquireLock(path)))
  const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  t.equal(won.length, 1)
  await won[0]?.release()
})

t.test('the same store by another path is the same store', async (t) => {
  const folder = t.testdir({ real: { store: '' }, elsewhere: {} })
  symlinkSync(join(folder, 'real'), join(folder, 'linked'))
  symlinkSync(join(folder, 'real', 'store'), join(folder, 'elsewhere', 'store'))
  const lock = await acquireLock(join(folder, 'real', 'store'))
  await t.rejects(acquireLock(join(folder, 'linked', 'store')), { code: 'LOCKED' })
  await t.rejects(acquireLock(join(folder, 'elsewhere', 'store')), { code: 'LOCKED' })
  await lock.release()
  t.same(readdirSync(join(folder, 'real')), ['store'])
})

t.test('errors free what was taken', async (t) => {
  const folder = t.testdir({ 'store.lock': {} })
  await t.rejects(acquireLock(join(folder, 'store')), {
    code: 'NOT_A_STORE',
    details: { systemCode: 'EISDIR' },
  })
  await t.rejects(
    acquireLock(join(folder, 'store')),
    { code: 'NOT_A_STORE', details: { systemCode: 'EISDIR' } },
    'not registered as open',
  )
  t.same(readdirSync(folder), ['store.lock'])
  await t.rejects(acquireLock(join(folder, 'none', 'store')), {
    code: 'NOT_FOUND',
    details: { systemCode: 'ENOENT' },
  })
})

t.test('another thread of this process is refused', async (t) => {
  const path = join(t.testdir(), 'store')
  const lock = await acquireLock(path)
  const url = new URL('../../native-free-btree/lock/lock.js', import.meta.url)
  const source = `
    const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(url.href)}).then(({ acquireLock }) => acquireLock(${JSON.stringify(path)})).then(
      () => parentPort.postMessage('taken'),
      (error) => parentPort.postMessage(error.code),
    )`
  const worker = new Worker(source, { eval: true })
  const [outcome] = await once(worker, 'message')
  t.equal(outcome, 'LOCKED')
  await worker.terminate()
  t.equal(lock.verify(), true)
  await lock.release()
})

t.test('a live owner is refused by name, a killed one is succeeded', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const owner = await Owner.start(t)
  t.match(await owner.acquire(path), { locked: true })
  const error = await acquireLock(path).then(
    () => undefined,
    (thrown) => thrown,
  )
  t.match(error, { code: 'LOCKED', details: { pid: owner.process.pid } })
  t.match(error.message, String(owner.process.pid))
  await owner.kill()
  const lock = await acquireLock(path)
  t.equal(lock.verify(), true)
  await lock.release()
  t.same(readdirSync(folder), [], 'the dead owner left nothing either')
})

t.test('a released lock is free for others', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const owner = await Owner.start(t)
  t.match(await owner.acquire(path), { locked: true })
  t.match(await owner.send({ do: 'release', path }), { released: true })
  t.same(readdirSync(folder), [])
  await (await acquireLock(path)).release()
})

t.test('who is alive: pid, start time, machine start', async (t) => {
  const path = join(t.testdir(), 'store')
  const { pid, startTime } = currentProcess()
  const outcome = async (fields: RecordFields) => {
    writeFileSync(`${path}.lock`, record(fields))
    return acquireLock(path).then(
      (lock) => lock.release().then(() => 'taken'),
      (error) => error.code,
    )
  }
  t.equal(await outcome({}), 'taken', 'no such process')
  t.equal(await outcome({ pid, startTime }), 'LOCKED', 'this very process, another thread of it')
  t.equal(await outcome({ pid, startTime: LINUX ? '1' : null }), LINUX ? 'taken' : 'LOCKED')
  t.equal(await outcome({ pid, startTime: null }), 'LOCKED', 'only the pid is known')
  t.equal(
    await outcome({ pid, startTime, bootId: 'another start of the machine' }),
    LINUX ? 'taken' : 'LOCKED',
  )
  t.equal(await outcome({ version: 2 }), 'LOCKED', 'a later version may know better')
})

t.test('a garbage lock file is stale, whatever is in it', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const torn = record().slice(0, 40)
  for (const garbage of [
    '',
    '\0'.repeat(300),
    torn,
    'null',
    '[]',
    record({ token: '../../x' }),
    record({ pid: -1 }),
  ]) {
    writeFileSync(`${path}.lock`, garbage)
    const lock = await acquireLock(path)
    t.equal(lock.verify(), true)
    await lock.release()
    t.same(readdirSync(folder), [])
  }
})

t.test('a chain of dead claimants is succeeded and removed; a live one is refused', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const [dead0, dead1, dead2] = [1, 2, 3].map((i) => record({ pid: DEAD_PID + i }))
  const build = (last: string) => {
    writeFileSync(`${path}.lock`, dead0!)
    writeFileSync(`${path}.lock.after-${tokenOf(dead0!)}`, dead1!)
    writeFileSync(`${path}.lock.after-${tokenOf(dead1!)}`, last)
  }
  build(dead2!)
  await (await acquireLock(path)).release()
  t.same(readdirSync(folder), [])
  const { pid, startTime } = currentProcess()
  build(record({ pid, startTime }))
  await t.rejects(acquireLock(path), { code: 'LOCKED', details: { lockPath: /after-/ } })
  t.equal(readFileSync(`${path}.lock`, 'utf8'), dead0, 'untouched')
  build('')
  await (await acquireLock(path)).release()
  t.same(readdirSync(folder), [], 'a garbage claim')
  writeFileSync(`${path}.lock`, '')
  for (let claim = 0; claim < 3; claim++) {
    const before = new Set(readdirSync(folder))
    linkSync(`${path}.lock`, `${path}.lock.after-${String(claim).repeat(32)}`)
    t.equal(readdirSync(folder).length, before.size + 1)
  }
  await (await acquireLock(path)).release()
  t.same(readdirSync(folder), [], 'empty claims of long ago')
})

t.test('what dead processes left in the folder is swept', async (t) => {
  const folder = t.testdir({
    [`a.lock.temp-${'1'.repeat(32)}`]: record(),
    [`b.lock.temp-${'2'.repeat(32)}`]: '{"vers',
    'mine.lock.temporary': 'not ours',
  })
  await (await acquireLock(join(folder, 'store'))).release()
  t.same(readdirSync(folder), ['mine.lock.temporary'])
})

t.test('another pid namespace: the socket tells, the pid does not', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const container = (name: string) => ({ pidNamespace: name, pid: 1, startTime: '100' })
  const one = await Owner.start(t)
  const two = await Owner.start(t)
  t.match(await one.acquire(path, container('first')), { locked: true })
  const refused = await two.acquire(path, container('second'))
  t.match(refused, { locked: false, code: 'LOCKED', details: { pid: 1, state: 'alive' } })
  t.match(refused.message, /another container/)
  await one.kill()
  t.match(await two.acquire(path, container('second')), { locked: true })
  t.match(await two.send({ do: 'release', path }), { released: true })
  t.same(readdirSync(folder), [])
})

t.test('a dead socket stays for as long as a lock names it', async (t) => {
  const folder = t.testdir()
  const container = (name: string) => ({ pidNamespace: name, pid: 1, startTime: '100' })
  const one = await Owner.start(t)
  t.match(await one.acquire(join(folder, 'a'), container('first')), { locked: true })
  t.match(await one.acquire(join(folder, 'b'), container('first')), { locked: true })
  await one.kill()
  const identity = { ...currentProcess(), ...container('second') }
  await (await acquireLock(join(folder, 'a'), identity)).release()
  t.equal(readdirSync(folder).length, 2, 'the lock of b and the proof that its owner is dead')
  await (await acquireLock(join(folder, 'b'), identity)).release()
  t.same(readdirSync(folder), [])
})

t.test('an owner elsewhere that cannot be asked is refused, with what to do', async (t) => {
  const path = join(t.testdir(), 'store')
  for (const socket of [null, '.lock-0123456789abcdef.socket']) {
    writeFileSync(`${path}.lock`, record({ pidNamespace: 'elsewhere', pid: 1, socket }))
    const error = await acquireLock(path).then(
      () => undefined,
      (thrown) => thrown,
    )
    t.match(error, { code: 'LOCKED', details: { state: 'unknown' } })
    t.ok(error.message.includes(`delete ${path}.lock`))
  }
})

t.test('a made-up boot id does not make a live owner dead', async (t) => {
  const path = join(t.testdir(), 'store')
  const owner = await Owner.start(t)
  t.match(await owner.acquire(path, { bootId: 'made up', pidNamespace: 'first', pid: 1 }), { locked: true })
  await t.rejects(acquireLock(path), { code: 'LOCKED', details: { state: 'alive' } })
  await owner.kill()
  await (await acquireLock(path)).release()
})

t.test('a path longer than a socket address', { skip: LINUX ? false : 'needs /proc/self/fd' }, async (t) => {
  const folder = join(t.testdir(), 'd'.repeat(120), 'e'.repeat(120))
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'store')
  const owner = await Owner.start(t)
  t.match(await owner.acquire(path, { pidNamespace: 'first', pid: 1 }), { locked: true })
  t.match(JSON.parse(readFileSync(`${path}.lock`, 'utf8')), { socket: /^\.lock-/ })
  await t.rejects(acquireLock(path), { code: 'LOCKED', details: { state: 'alive' } })
  await owner.kill()
  await (await acquireLock(path)).release()
  t.same(readdirSync(folder), [])
})

const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount-proc']

function cannotUnshare(): string | false {
  const tried = spawnSync('unshare', [...UNSHARE, process.execPath, '-e', 'process.exit(process.pid)'])
  return tried.status === 1 ? false : 'pid namespaces cannot be made here'
}

t.test('real pid namespaces in which every owner is pid 1', { skip: cannotUnshare() }, async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'store')
  const contained = () => {
    const stdio: ['ignore', 'inherit', 'inherit', 'ipc'] = ['ignore', 'inherit', 'inherit', 'ipc']
    return Owner.start(t, spawn('unshare', [...UNSHARE, process.execPath, OWNER], { stdio }))
  }
  const [one, two] = await Promise.all([contained(), contained()])
  t.match(await one.acquire(path), { locked: true, pid: 1 })
  t.match(await two.acquire(path), {
    locked: false,
    code: 'LOCKED',
    pid: 1,
    details: { pid: 1, state: 'alive' },
  })
  await t.rejects(acquireLock(path), { code: 'LOCKED' }, 'nor from outside')
  await one.kill()
  t.match(await two.acquire(path), { locked: true, pid: 1 })
  t.match(await two.send({ do: 'release', path }), { released: true })
  t.same(readdirSync(folder), [])
})

t.test('of 20 processes that race for a stale lock exactly one wins', async (t) => {
  const folder = t.testdir()
  const owners = await Promise.all(Array.from({ length: 20 }, () => Owner.start(t)))
  for (const round of isLong ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 4, 6]) {
    const path = join(folder, `store${round}`)
    if (round > 0) writeFileSync(`${path}.lock`, round === 4 ? '' : record({ pid: DEAD_PID + round }))
    if (round > 5) {
      const dead = record({ pid: DEAD_PID + round })
      writeFileSync(`${path}.lock.after-${tokenOf(dead)}`, record({ pid: DEAD_PID + 100 + round }))
    }
    const answers = await Promise.all(owners.map((owner) => owner.acquire(path)))
    const winners = answers.filter(({ locked }) => locked === true)
    t.equal(winners.length, 1, `round ${round}`)
    const others = answers.filter(({ locked, code }) => locked !== true && code !== 'LOCKED')
    t.same(others, [], 'the rest is refused')
    const held = JSON.parse(readFileSync(`${path}.lock`, 'utf8'))
    t.equal(held.pid, winners[0]?.pid)
    await Promise.all(owners.map((owner) => owner.send({ do: 'release', path })))
    t.equal(existsSync(`${path}.lock`), false)
  }
  t.same(readdirSync(folder), [])
})

t.test('processes killed at any moment never let two in, nor lock everybody out', async (t) => {
  const folder = t.testdir({ locks: {} })
  const path = join(folder, 'locks', 'store')
  const log = join(folder, 'log')
  const begin = async () => {
    const owner = await Owner.start(t)
    owner.process.on('message', (answer: OwnerAnswer) => t.fail(answer.message ?? 'an unexpected answer'))
    owner.process.send({ do: 'cycle', path, log } satisfies OwnerCommand)
    return owner
  }
  const owners = await Promise.all(Array.from({ length: 4 }, begin))
  const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [])
  for (let kill = 0; kill < KILLS; kill++) {
    const enough = lines().length + 20
    while (lines().length < enough) await new Promise((resolve) => setImmediate(resolve))
    await owners[kill % owners.length]?.kill()
    owners[kill % owners.length] = await begin()
  }
  await Promise.all(owners.map((owner) => owner.kill()))
  const marks = lines()
  for (const [i, line] of marks.entries()) {
    if (line.startsWith('out') && line !== marks[i - 1]?.replace(/^in/, 'out')) {
      t.fail(`two owners at once: ${marks.slice(Math.max(0, i - 3), i + 2).join(', ')}`)
    }
  }
  t.ok(marks.length >= 20 * KILLS, `${marks.length} marks`)
  await (await acquireLock(path)).release()
  t.same(readdirSync(dirname(path)), [])
})
