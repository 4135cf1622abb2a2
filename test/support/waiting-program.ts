/**
 * A program that does nothing but wait for what only a timer ends, and then says so: prints `done`. One that ends before has lost
 * what its caller waited for. What is waited for is named by the first argument.
 */
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  compact,
  openFollower,
  openStore,
  type Store,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { pause } from '../../src/replication/pause.ts'

const WAIT_MS = 100
const KEY = Buffer.from('key')

async function written(path: string): Promise<Store> {
  const store = await openStore(path, { trees: { t: {} }, clock: systemClock })
  await store.transact((tx) => tx.put('t', KEY, KEY))
  return store
}

const waits: Record<string, (path: string) => Promise<unknown>> = {
  /** A transaction of a writer that a compaction has slowed down. */
  transaction: async (path) => {
    const store = await written(path)
    store.slowDown(WAIT_MS)
    await store.transact((tx) => tx.put('t', KEY, Buffer.from('again')))
    await store.close()
  },

  /** The turn of such a writer, which is lent behind a transaction. */
  turn: async (path) => {
    const store = await written(path)
    store.slowDown(WAIT_MS)
    void store.transact((tx) => tx.put('t', KEY, Buffer.from('again')))
    const turn = await store.turn()
    turn.giveBack()
    await store.close()
  },

  /** The close of a store of which a snapshot stays open; by the engine's own clock. */
  close: async (path) => {
    const store = await openStore(path, { trees: { t: {} } })
    store.snapshot()
    await store.close(WAIT_MS).catch((error: { code?: string }) => {
      if (error.code !== 'SNAPSHOTS_OPEN') throw error
    })
  },

  /** A follower that opens the store while its name leads to another file than the one that its writer has. */
  follower: async (path) => {
    const store = await written(path)
    const shared = store.shareProgress()
    await copyFile(path, `${path}.old`)
    await compact(new StoreCompactionSource(store), { trees: { t: {} } })
    await rename(path, `${path}.new`)
    await rename(`${path}.old`, path)
    setTimeout(() => void rename(`${path}.new`, path), 10 * WAIT_MS).unref()
    const follower = await openFollower(shared, { trees: { t: {} } })
    await follower.close()
    await store.close()
  },

  /** Between two tries of a replication. */
  pause: () => pause(systemClock, WAIT_MS, new AbortController().signal),
}

const folder = await mkdtemp(join(tmpdir(), 'waiting-'))
await waits[process.argv[2]!]!(join(folder, 'store'))
await rm(folder, { recursive: true })
process.stdout.write('done\n')
