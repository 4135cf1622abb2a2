/**
 * A deletion that failed after the file was gone left its `q` behind: the name could be created again, and was then looked
 * for in another file. Whatever fails in a creation or a deletion, at any step, the registry must know a name exactly
 * when its file is there, and the next attempt must succeed. The failures are those of node:fs.
 */
import { access, mkdtemp, rm, unlink } from 'node:fs/promises'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { DatabaseRegistry } from '../../src/server/registry.ts'
import { errorLike } from '../support/error-like.ts'
import { recordingLog } from '../support/recording-log.ts'
import { until } from '../support/until.ts'

type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>
const promises = createRequire(import.meta.url)('node:fs/promises') as Calls
const CALLS = ['open', 'rm', 'rename', 'access', 'mkdir', 'readdir'] as const

/** Counts the calls that the registry makes of node:fs/promises while `run` runs, and lets number `failing` fail. */
async function withFailure(failing: number, code: string, run: () => Promise<unknown>) {
  const real = { ...promises }
  let count = 0
  const meet = (call: string) => {
    count += 1
    if (count === failing)
      throw Object.assign(new Error(`${code}: simulated, ${call}`), { code, syscall: call })
  }
  for (const call of CALLS) {
    promises[call] = async (...args) => {
      meet(call)
      const result = await real[call]!(...args)
      if (call !== 'open') return result
      const handle = result as { sync(): Promise<void> }
      const sync = handle.sync.bind(handle)
      handle.sync = async () => {
        meet('fsync')
        await sync()
      }
      return handle
    }
  }
  syncBuiltinESMExports()
  try {
    return { outcome: await run().catch((error: unknown) => error), count }
  } finally {
    Object.assign(promises, real)
    syncBuiltinESMExports()
  }
}

async function openRegistry(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'davenport-'))
  const registry = await DatabaseRegistry.open({
    dataDir,
    maxOpen: 5,
    bus: new EventBus(recordingLog().log),
    clock: systemClock,
    log: recordingLog().log,
    openDatabase: (path, name) => openDatabase(path, name),
    createDatabase: (path, name, properties) => createDatabase(path, name, { properties }),
  })
  t.teardown(async () => {
    await registry.stop(0)
    await rm(dataDir, { recursive: true })
  })
  return { registry, file: (name: string) => join(dataDir, 'databases', `${name}.davenport`) }
}

type Opened = Awaited<ReturnType<typeof openRegistry>>

async function assertConsistent(t: Test, { registry, file }: Opened, shards: number, at: string) {
  const isThere = await access(file(`a.q${shards}`)).then(
    () => true,
    () => false,
  )
  t.equal(registry.has('a'), isThere, `${at}: known when it is there`)
  t.equal(registry.shardsOf('a'), isThere ? shards : undefined, at)
  if (isThere) await registry.withDatabase('a', (database) => t.ok(database.uuid))
  else await t.rejects(registry.lease('a'), errorLike({ status: 404 }))
}

for (const code of ['EIO', 'EMFILE']) {
  t.test(`each call of a deletion fails with ${code}`, async (t) => {
    let failed = 0
    for (let failing = 1; ; failing++) {
      const opened = await openRegistry(t)
      const { registry } = opened
      await registry.create('a', { shards: 4 })
      const { outcome, count } = await withFailure(failing, code, () => registry.delete('a'))
      if (outcome !== undefined) failed += 1
      await assertConsistent(t, opened, 4, `call ${failing}`)
      if (registry.has('a')) await registry.delete('a')
      // With another `q` than before, in another file.
      await registry.create('a', { shards: 2 })
      await assertConsistent(t, opened, 2, `call ${failing}, made again`)
      if (count < failing) break
    }
    t.ok(failed >= 3, `${failed} failed`)
  })

  t.test(`each call of a creation fails with ${code}`, async (t) => {
    let failed = 0
    for (let failing = 1; ; failing++) {
      const opened = await openRegistry(t)
      const { registry } = opened
      const { outcome, count } = await withFailure(failing, code, () => registry.create('a', { shards: 4 }))
      if (outcome !== undefined) failed += 1
      await assertConsistent(t, opened, 4, `call ${failing}`)
      if (!registry.has('a')) await registry.create('a', { shards: 4 })
      await assertConsistent(t, opened, 4, `call ${failing}, made again`)
      if (count < failing) break
    }
    t.ok(failed >= 3, `${failed} failed`)
  })
}

t.test('a file that is found at a creation is a database from then on', async (t) => {
  const opened = await openRegistry(t)
  const { registry, file } = opened
  await (await createDatabase(file('a'), 'a')).close()
  await t.rejects(registry.create('a'), errorLike({ status: 412 }))
  await registry.withDatabase('a', (database) => t.ok(database.uuid))
})

t.test('a file that was removed underneath takes its name with it when it is missed', async (t) => {
  const { registry, file } = await openRegistry(t)
  await registry.create('a')
  await unlink(file('a'))
  await t.rejects(registry.lease('a'), errorLike({ status: 404 }))
  await until('the name is forgotten', () => !registry.has('a'))
  await registry.create('a')
  await registry.withDatabase('a', (database) => t.ok(database.uuid))
})
