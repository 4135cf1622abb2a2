/** native-free-btree with one tree: keys with their values in it. */

import { join } from 'node:path'
import {
  type Store as NativeFile,
  type Snapshot as NativeSnapshot,
  nodeFileSystem,
  openStore,
  PageCache,
  type StoreOptions,
} from '../../../native-free-btree/index.ts'
import { packageVersion } from '../../base/version.ts'
import type { OpenedStore, Operation, ScanOptions, Snapshot, Store } from '../api.ts'
import { LabError } from '../lab-error.ts'
import { Random } from '../random.ts'
import { withoutSyncs } from './unsynced.ts'

const TREE = 'entries'
/** With a cache as small as crashes are tried with, a checkpoint comes after so little that they meet some. */
const SMALL_CACHE_BYTES = 8 * 1024 * 1024
const SMALL_CHECKPOINT_LOG_BYTES = 256 * 1024

/** On a disk in memory no other process is there, no time passes, and the same seed gives the same bytes. */
function simulated(): Pick<StoreOptions, 'lock' | 'clock' | 'random'> {
  const random = new Random(1)
  return {
    lock: async () => ({ release: async () => {} }),
    clock: { now: () => 0, after: () => () => {} },
    random: (target) => random.fill(target),
  }
}

class NativeReads implements Snapshot {
  readonly #snapshot: NativeSnapshot

  constructor(snapshot: NativeSnapshot) {
    this.#snapshot = snapshot
  }

  get(key: Buffer): Buffer | undefined {
    return this.#snapshot.tree(TREE).get(key)
  }

  *scan({ start, limit = Number.POSITIVE_INFINITY }: ScanOptions): Generator<[Buffer, Buffer], void, void> {
    const cursor = this.#snapshot.tree(TREE).cursor({ start })
    for (let count = 0; count < limit && cursor.next(); count++) {
      yield [Buffer.from(cursor.key()), Buffer.from(cursor.value())]
    }
  }

  close(): void {
    this.#snapshot.close()
  }
}

class NativeStore implements OpenedStore {
  readonly #store: NativeFile

  constructor(store: NativeFile) {
    this.#store = store
  }

  /** Every commit of this engine is durable. */
  async commit(operations: readonly Operation[]): Promise<void> {
    await this.#store.transact((tx) => {
      for (const { key, value } of operations) {
        if (value === undefined) tx.delete(TREE, key)
        else tx.put(TREE, key, value)
      }
    })
  }

  get(key: Buffer): Buffer | undefined {
    const value = this.#store.get(TREE, key)
    return value === undefined ? undefined : Buffer.from(value)
  }

  *scan(options: ScanOptions): Generator<[Buffer, Buffer], void, void> {
    const snapshot = this.snapshot()
    try {
      yield* snapshot.scan(options)
    } finally {
      snapshot.close()
    }
  }

  snapshot(): NativeReads {
    return new NativeReads(this.#store.snapshot())
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}

export const nativeStore: Store = {
  name: 'native-free-btree',
  version: packageVersion(),
  capabilities: {
    transactions: true,
    orderedScans: true,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: true,
  },
  rebuiltFiles: ['.lock'],
  async open(folder, { settings, cacheBytes, fileSystem }) {
    for (const [name, value] of Object.entries(settings)) {
      if (name !== 'sync' || !['true', 'false'].includes(value)) {
        throw new LabError(`native-free-btree has no setting ${name}=${value}: sync=true or sync=false`)
      }
    }
    const chosen = settings['sync'] === 'false' ? withoutSyncs(fileSystem ?? nodeFileSystem) : fileSystem
    const store = await openStore(join(folder, 'store.nfb'), {
      trees: { [TREE]: {} },
      cache: new PageCache(cacheBytes),
      ...(cacheBytes < SMALL_CACHE_BYTES ? { checkpointLogBytes: SMALL_CHECKPOINT_LOG_BYTES } : {}),
      ...(chosen === undefined ? {} : { fileSystem: chosen }),
      ...(fileSystem === undefined ? {} : simulated()),
    })
    return new NativeStore(store)
  },
}
