/**
 * Databases for tests of the layers above them: real files that hold a uuid and a `_security`, and a ledger of
 * what is open. Only what those layers call is there.
 */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { CacheFigures } from '../../src/base/thread-figures.ts'
import type { OwnedDatabase } from '../../src/database/api/database.ts'
import type { DatabaseOpener } from '../../src/server/registry.ts'

export interface FakeDatabases extends DatabaseOpener {
  readonly cache: CacheFigures
  /** Names of the databases that are open now, one for each opening. */
  readonly open: string[]
  /** Most that were ever open at the same time. */
  readonly mostOpen: number
  /** Openings of existing files, in order. */
  readonly opened: string[]
  /** Runs before a file is made or opened; may throw or wait. */
  before: (what: 'create' | 'open' | 'close', name: string) => void | Promise<void>
}

export function fakeDatabases(): FakeDatabases {
  const open: string[] = []
  const opened: string[] = []
  let mostOpen = 0
  const enter = (path: string, name: string, stored: { uuid: string; security?: string }): OwnedDatabase => {
    open.push(name)
    mostOpen = Math.max(mostOpen, open.length)
    let closed = false
    const database = {
      name,
      uuid: stored.uuid,
      get updateSeqNumber() {
        if (closed) throw new Error(`${name} is closed`)
        return 0
      },
      onChange: () => () => {},
      onExpirySet: () => {},
      nextExpiry: () => undefined,
      localDocs: () => [].values(),
      putLocal: async () => '0-1',
      deleteLocal: async () => '0-0',
      storedRow: () => undefined,
      lookup: () => undefined,
      update: async () => [],
      changes: () => ({ rows: [] }),
      setRevsLimit: async () => {},
      security: () => (stored.security === undefined ? undefined : Buffer.from(stored.security)),
      async setSecurity(body: Uint8Array) {
        stored.security = Buffer.from(body).toString()
        await writeFile(path, JSON.stringify(stored))
      },
      async close() {
        await fakes.before('close', name)
        if (closed) throw new Error(`${name} was closed twice`)
        closed = true
        open.splice(open.indexOf(name), 1)
      },
    }
    return database as unknown as OwnedDatabase
  }
  const fakes: FakeDatabases = {
    cache: { cachedBytes: 0, pages: 0, hits: 0, misses: 0, evictions: 0 },
    open,
    opened,
    get mostOpen() {
      return mostOpen
    },
    before: () => undefined,
    async openDatabase(path, name) {
      opened.push(name)
      await fakes.before('open', name)
      return enter(path, name, JSON.parse(await readFile(path, 'utf8')))
    },
    async createDatabase(path, name) {
      const stored = { uuid: randomUUID() }
      await writeFile(path, JSON.stringify(stored), { flag: 'wx' })
      await fakes.before('create', name)
      return enter(path, name, stored)
    },
  }
  return fakes
}
