/** classic-level (LevelDB) with `sync: true` on every durable write, unless set otherwise; its block cache has the budget. */
import type { Engine, Operation, ScanOptions, StoreAdapter } from './adapter.ts'
import { loadPeer } from './packages.ts'

/** Entries fetched by one call of an iterator. */
const FETCHED_ENTRIES = 1000

type BatchOperation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

interface EntryIterator {
  nextv(size: number): Promise<[Buffer, Buffer][]>
  close(): Promise<void>
}

interface Level {
  open(): Promise<void>
  put(key: Buffer, value: Buffer, options: { sync: boolean }): Promise<void>
  del(key: Buffer, options: { sync: boolean }): Promise<void>
  batch(operations: BatchOperation[], options: { sync: boolean }): Promise<void>
  getSync(key: Buffer): Buffer | undefined
  iterator(options: { gte?: Buffer; limit?: number }): EntryIterator
  close(): Promise<void>
}

interface ClassicLevel {
  ClassicLevel: new (path: string, options: Record<string, unknown>) => Level
}

class LevelAdapter implements StoreAdapter {
  readonly #level: Level
  readonly #syncs: boolean

  constructor(level: Level, syncs: boolean) {
    this.#level = level
    this.#syncs = syncs
  }

  commit(operations: readonly Operation[], durable = true): Promise<void> {
    const options = { sync: durable && this.#syncs }
    const first = operations[0]
    if (operations.length === 1 && first !== undefined) {
      return first.value === undefined
        ? this.#level.del(first.key, options)
        : this.#level.put(first.key, first.value, options)
    }
    return this.#level.batch(operations.map(batchOperation), options)
  }

  get(key: Buffer): Buffer | undefined {
    return this.#level.getSync(key)
  }

  async scan(visit: (key: Buffer, value: Buffer) => void, options: ScanOptions = {}): Promise<number> {
    const { start, limit } = options
    const iterator = this.#level.iterator({
      ...(start === undefined ? {} : { gte: start }),
      ...(limit === undefined ? {} : { limit }),
    })
    let count = 0
    try {
      for (;;) {
        const entries = await iterator.nextv(Math.min(FETCHED_ENTRIES, limit ?? FETCHED_ENTRIES))
        for (const [key, value] of entries) visit(key, value)
        count += entries.length
        if (entries.length === 0 || count === limit) return count
      }
    } finally {
      await iterator.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

function batchOperation({ key, value }: Operation): BatchOperation {
  return value === undefined ? { type: 'del', key } : { type: 'put', key, value }
}

/** Throws PeerMissing. */
export function classicLevelEngine(): Engine {
  const { module, version } = loadPeer<ClassicLevel>('classic-level')
  return {
    name: 'classic-level',
    version,
    durability: 'sync: true',
    orders: ['id'],
    settings: ['sync'],
    async open(path, { cacheBytes, settings = {} }) {
      const options = { keyEncoding: 'buffer', valueEncoding: 'buffer', cacheSize: cacheBytes }
      const level = new module.ClassicLevel(path, options)
      await level.open()
      return new LevelAdapter(level, settings['sync'] !== 'false')
    },
  }
}
