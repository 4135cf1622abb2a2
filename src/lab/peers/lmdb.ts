/**
 * lmdb with `overlappingSync: false`: a commit has been synced when it is answered, as with the others. It has no
 * cache of its own: it maps the file, so every budget is the page cache's.
 */
import type { Engine, Operation, ScanOptions, StoreAdapter } from './adapter.ts'
import { loadPeer } from './packages.ts'

interface Database {
  put(key: Buffer, value: Buffer): Promise<boolean>
  remove(key: Buffer): Promise<boolean>
  batch(action: () => void): Promise<boolean>
  transactionSync(action: () => void): void
  getBinary(key: Buffer): Buffer | undefined
  getRange(options: { start?: Buffer; limit?: number }): Iterable<{ key: Buffer; value: Buffer }>
  close(): Promise<void>
}

/** Options of the library that decide about syncs. */
const FLAGS = ['overlappingSync', 'noSync', 'noMetaSync'] as const

interface Lmdb {
  open(path: string, options: Record<string, unknown>): Database
}

class LmdbAdapter implements StoreAdapter {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Calls of one turn of the event loop share a transaction: the library's own batching. */
  async commit(operations: readonly Operation[]): Promise<void> {
    const first = operations[0]
    if (operations.length === 1 && first !== undefined) await this.#write(first)
    else await this.#database.batch(() => this.#writeAll(operations))
  }

  commitSync(operations: readonly Operation[]): void {
    this.#database.transactionSync(() => this.#writeAll(operations))
  }

  #writeAll(operations: readonly Operation[]): void {
    for (const operation of operations) void this.#write(operation)
  }

  #write({ key, value }: Operation): Promise<boolean> {
    return value === undefined ? this.#database.remove(key) : this.#database.put(key, value)
  }

  get(key: Buffer): Buffer | undefined {
    return this.#database.getBinary(key)
  }

  async scan(visit: (key: Buffer, value: Buffer) => void, options: ScanOptions = {}): Promise<number> {
    const { start, limit } = options
    const range = this.#database.getRange({
      ...(start === undefined ? {} : { start }),
      ...(limit === undefined ? {} : { limit }),
    })
    let count = 0
    for (const { key, value } of range) {
      visit(key, value)
      count += 1
    }
    return count
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/** Throws PeerMissing. */
export function lmdbEngine(): Engine {
  const { module, version } = loadPeer<Lmdb>('lmdb')
  return {
    name: 'lmdb',
    version,
    durability: 'overlappingSync: false',
    orders: ['id'],
    settings: FLAGS,
    async open(path, { settings = {} }) {
      const flags = Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [name, value === 'true']),
      )
      const fixed = { encoding: 'binary', keyEncoding: 'binary', noSubdir: true }
      const options = { ...fixed, overlappingSync: false, ...flags }
      return new LmdbAdapter(module.open(path, options))
    },
  }
}
