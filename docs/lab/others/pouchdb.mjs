/** PouchDB on leveldb as a store: npm install pouchdb, and run the lab from where it is installed. */
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'package.json'))
const PouchDB = require('pouchdb')

const idOf = (key) => `k${key.toString('hex')}`

class Pouch {
  constructor(folder) {
    this.database = new PouchDB(join(folder, 'pouch'))
  }

  async put(key, value) {
    const _id = idOf(key)
    const old = await this.#document(_id)
    const revision = old === undefined ? {} : { _rev: old._rev }
    await this.database.put({ _id, ...revision, value: value.toString('base64') })
  }

  async delete(key) {
    const old = await this.#document(idOf(key))
    if (old !== undefined) await this.database.remove(old)
  }

  async #document(id) {
    try {
      return await this.database.get(id)
    } catch (error) {
      if (error.status === 404) return undefined
      throw error
    }
  }

  async get(key) {
    const document = await this.#document(idOf(key))
    return document === undefined ? undefined : Buffer.from(document.value, 'base64')
  }

  async *scan({ start, limit }) {
    const startkey = start === undefined ? 'k' : idOf(start)
    const most = limit === undefined ? {} : { limit }
    const { rows } = await this.database.allDocs({ include_docs: true, startkey, ...most })
    for (const { id, doc } of rows) yield [Buffer.from(id.slice(1), 'hex'), Buffer.from(doc.value, 'base64')]
  }

  async close() {
    await this.database.close()
  }
}

export default {
  name: 'pouchdb-leveldb',
  version: PouchDB.version,
  capabilities: {
    transactions: false,
    orderedScans: true,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: false,
  },
  open: (folder) => new Pouch(folder),
}
