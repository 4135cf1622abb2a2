/**
 * better-sqlite3 in WAL mode with `synchronous = FULL`, unless set otherwise, one table WITHOUT ROWID, so that there is
 * one tree; its page cache has the budget.
 */
import type { Engine, Operation, ScanOptions, StoreAdapter } from './adapter.ts'
import { loadPeer } from './packages.ts'

interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  iterate(...values: unknown[]): Iterable<unknown>
  all(...values: unknown[]): unknown[]
  raw(): Statement
  pluck(): Statement
}

interface Database {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): Statement
  transaction<T extends unknown[]>(run: (...values: T) => void): (...values: T) => void
  close(): void
}

type Sqlite = new (path: string) => Database

/** Those that decide about what a power cut leaves, in the order in which they are set. */
const PRAGMAS = ['locking_mode', 'journal_mode', 'synchronous', 'wal_autocheckpoint'] as const

/** Rows that are fetched as one array rather than stepped through. */
const SMALL_RANGE = 1000

class SqliteAdapter implements StoreAdapter {
  readonly #database: Database
  readonly #put: Statement
  readonly #delete: Statement
  readonly #get: Statement
  readonly #scan: Statement
  readonly #all: (operations: readonly Operation[]) => void

  constructor(database: Database) {
    this.#database = database
    this.#put = database.prepare('INSERT OR REPLACE INTO documents (id, body) VALUES (?, ?)')
    this.#delete = database.prepare('DELETE FROM documents WHERE id = ?')
    this.#get = database.prepare('SELECT body FROM documents WHERE id = ?').pluck()
    this.#scan = database.prepare('SELECT id, body FROM documents WHERE id >= ? ORDER BY id LIMIT ?').raw()
    this.#all = database.transaction((operations: readonly Operation[]) => {
      for (const operation of operations) this.#write(operation)
    })
  }

  async commit(operations: readonly Operation[]): Promise<void> {
    this.commitSync(operations)
  }

  commitSync(operations: readonly Operation[]): void {
    const first = operations[0]
    if (operations.length === 1 && first !== undefined) this.#write(first)
    else this.#all(operations)
  }

  #write({ key, value }: Operation): void {
    if (value === undefined) this.#delete.run(key)
    else this.#put.run(key, value)
  }

  get(key: Buffer): Buffer | undefined {
    return this.#get.get(key) as Buffer | undefined
  }

  async scan(visit: (key: Buffer, value: Buffer) => void, options: ScanOptions = {}): Promise<number> {
    const { start = Buffer.alloc(0), limit } = options
    const small = limit !== undefined && limit <= SMALL_RANGE
    const rows = small ? this.#scan.all(start, limit) : this.#scan.iterate(start, limit ?? -1)
    let count = 0
    for (const [key, value] of rows as Iterable<[Buffer, Buffer]>) {
      visit(key, value)
      count += 1
    }
    return count
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}

/** Throws PeerMissing. */
export function betterSqlite3Engine(): Engine {
  const { module, version } = loadPeer<Sqlite>('better-sqlite3')
  return {
    name: 'better-sqlite3',
    version,
    durability: 'WAL, synchronous = FULL',
    orders: ['id'],
    settings: PRAGMAS,
    async open(path, { cacheBytes, settings = {} }) {
      const database = new module(path)
      const pragmas: Partial<Record<string, string>> = {
        journal_mode: 'WAL',
        synchronous: 'FULL',
        ...settings,
      }
      for (const name of PRAGMAS) {
        const value = pragmas[name]
        if (value !== undefined) database.pragma(`${name} = ${value}`)
      }
      database.pragma(`cache_size = -${Math.floor(cacheBytes / 1024)}`)
      database.exec(
        'CREATE TABLE IF NOT EXISTS documents (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID',
      )
      return new SqliteAdapter(database)
    },
  }
}
