/** Opens what a crash left of a data folder, on a disk in memory or as real files, and checks all of it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { openStore, PageCache, type RecoveryReport } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { DatabaseError } from '../../src/base/errors.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { databaseOfPath } from '../../src/server/database-name.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { DatabaseRegistry } from '../../src/server/registry.ts'
import type { Random } from '../../test/support/random.ts'
import { recordingLog } from '../../test/support/recording-log.ts'
import { SimulatedClock } from '../../test/support/simulated-clock.ts'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { noLock } from '../../test/support/test-trees.ts'
import type { CrashState } from './crash-states.ts'
import type { Progress, RecordedRequests } from './recorded-requests.ts'

const CACHE_BYTES = 4 * 1024 * 1024

/** Told of every opening. */
export type OnRecovery = (outcome: RecoveryReport['outcome']) => void

/**
 * Opens each database on a disk in memory. Throws for what may not be. `known` keeps which files, all of them synced,
 * were found to be right already for what had happened to their database until then.
 */
export async function checkInMemory(
  state: CrashState,
  dataDir: string,
  requests: RecordedRequests,
  progress: Progress,
  random: Random,
  known: Set<string>,
  onRecovery: OnRecovery,
): Promise<void> {
  const root = join(dataDir, 'databases')
  const disk = new SimulatedDisk(random.fork())
  for (const [path, { image }] of state.files) disk.installImage(path, image)
  const missing = new Set(requests.names)
  for (const [path, { file }] of state.files) {
    const name = nameOf(root, path)
    if (name === undefined) continue
    missing.delete(name)
    const key = `${name} ${file.number} ${file.syncs} ${requests.progressOf(name, progress)}`
    if (state.settled.has(file) && known.has(key)) continue
    if (state.settled.has(file)) known.add(key)
    const database = await openInMemory(disk, path, name, onRecovery)
    await requests.check(name, database, progress)
    await database.close()
  }
  for (const name of missing) await requests.check(name, undefined, progress)
  checkPrivateFile(state, dataDir, progress)
  if (random.bool(0.2)) await checkEvents(disk, dataDir, onRecovery)
}

function nameOf(root: string, path: string): string | undefined {
  return relative(root, path).startsWith('..') ? undefined : databaseOfPath(root, path)?.name
}

function openInMemory(
  disk: SimulatedDisk,
  path: string,
  name: string,
  onRecovery: OnRecovery,
): Promise<StoredDatabase> {
  return openDatabase(path, name, {
    store: { fileSystem: disk, lock: noLock, cache: new PageCache(CACHE_BYTES) },
    clock: new SimulatedClock(),
    openStore: async (at, options) => {
      const store = await openStore(at, options)
      onRecovery(store.recovery.outcome)
      return store
    },
  })
}

/** It must be whole wherever it is, and be there once anything was acknowledged. */
function checkPrivateFile({ files }: CrashState, dataDir: string, { acknowledged }: Progress): void {
  const found = files.get(join(dataDir, 'private.json'))
  if (found === undefined) {
    if (acknowledged.size > 0) throw new Error('private.json is gone')
    return
  }
  const { image } = found
  JSON.parse(Buffer.from(image.slice(0, image.length)).toString())
}

/** The server's own record of databases: nothing in it is acknowledged, but it must open, or never have been made. */
async function checkEvents(disk: SimulatedDisk, dataDir: string, onRecovery: OnRecovery): Promise<void> {
  const path = join(dataDir, 'events.davenport')
  if (!disk.paths().includes(path)) return
  try {
    const events = await openInMemory(disk, path, 'events', onRecovery)
    await events.close()
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.kind !== 'noDatabase') throw error
  }
}

/** As `checkInMemory`, with real files in `folder`, opened as the server does. */
export async function checkOnDisk(
  state: CrashState,
  dataDir: string,
  requests: RecordedRequests,
  progress: Progress,
  folder: string,
): Promise<void> {
  await mkdir(join(folder, 'databases'), { recursive: true })
  for (const [path, { image }] of state.files) {
    if (basename(path).endsWith('.lock')) continue
    const copy = join(folder, relative(dataDir, path))
    await mkdir(dirname(copy), { recursive: true })
    await writeFile(copy, image.slice(0, image.length))
  }
  const opened = new Map<string, StoredDatabase>()
  const registry = await DatabaseRegistry.open({
    dataDir: folder,
    maxOpen: 100,
    bus: new EventBus(recordingLog().log),
    clock: systemClock,
    log: recordingLog().log,
    openDatabase: async (path, name) => {
      const database = await openDatabase(path, name)
      opened.set(name, database)
      return database
    },
    createDatabase: (path, name) => createDatabase(path, name),
  })
  try {
    for (const name of registry.list()) {
      await registry.withDatabase(name, () => requests.check(name, opened.get(name), progress))
    }
    for (const name of requests.names) {
      if (!registry.has(name)) await requests.check(name, undefined, progress)
    }
  } finally {
    await registry.stop(1000)
  }
}
