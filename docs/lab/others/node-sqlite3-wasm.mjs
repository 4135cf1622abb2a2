/**
 * node-sqlite3-wasm as a store, with SQLite's defaults: npm install node-sqlite3-wasm, and run the lab from there. Its lock is a
 * folder that a crash leaves behind; `unlock=true` removes it before the opening, as whoever runs it would have to.
 */
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'package.json'))
const { Database } = require('node-sqlite3-wasm')
const { version } = require('node-sqlite3-wasm/package.json')

class Sqlite {
  constructor(path, { synchronous }) {
    this.database = new Database(path)
    if (synchronous !== undefined) this.database.exec(`PRAGMA synchronous = ${synchronous}`)
    this.database.exec('CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID')
  }

  commit(operations) {
    this.database.exec('BEGIN')
    for (const { key, value } of operations) {
      if (value === undefined) this.database.run('DELETE FROM entries WHERE key = ?', [key])
      else this.database.run('INSERT OR REPLACE INTO entries VALUES (?, ?)', [key, value])
    }
    this.database.exec('COMMIT')
  }

  get(key) {
    return this.database.get('SELECT value FROM entries WHERE key = ?', [key])?.value
  }

  scan({ start = new Uint8Array(), limit = -1 }) {
    const rows = this.database.all('SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?', [
      start,
      limit,
    ])
    return rows.map(({ key, value }) => [key, value])
  }

  close() {
    this.database.close()
  }
}

export default {
  name: 'node-sqlite3-wasm',
  version,
  capabilities: {
    transactions: true,
    orderedScans: true,
    concurrentWriters: false,
    multipleProcesses: false,
    fileSystem: false,
  },
  open(folder, { settings }) {
    const { synchronous, unlock, ...others } = settings
    const [wrong] = Object.keys(others)
    if (wrong !== undefined) throw new Error(`there is no setting ${wrong}: synchronous, unlock`)
    if (synchronous !== undefined && !/^\w+$/.test(synchronous))
      throw new Error('synchronous is OFF, NORMAL, FULL or EXTRA')
    const path = join(folder, 'data.sqlite')
    if (unlock === 'true') rmSync(`${path}.lock`, { recursive: true, force: true })
    return new Sqlite(path, { synchronous })
  },
}
