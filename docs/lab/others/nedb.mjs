/** @seald-io/nedb as a store: npm install @seald-io/nedb, and run the lab from where it is installed. */
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'package.json'))
const Datastore = require('@seald-io/nedb')
const { version } = require('@seald-io/nedb/package.json')

class Nedb {
  constructor(database) {
    this.database = database
  }

  async put(key, value) {
    const _id = key.toString('hex')
    await this.database.updateAsync({ _id }, { _id, value: value.toString('base64') }, { upsert: true })
  }

  async delete(key) {
    await this.database.removeAsync({ _id: key.toString('hex') }, {})
  }

  async get(key) {
    const found = await this.database.findOneAsync({ _id: key.toString('hex') })
    return found === null ? undefined : Buffer.from(found.value, 'base64')
  }

  async *scan() {
    for (const { _id, value } of await this.database.findAsync({})) {
      yield [Buffer.from(_id, 'hex'), Buffer.from(value, 'base64')]
    }
  }

  close() {
    // Its files are closed after each write.
  }
}

export default {
  name: 'nedb',
  version,
  capabilities: {
    transactions: false,
    orderedScans: false,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: false,
  },
  async open(folder) {
    const database = new Datastore({ filename: join(folder, 'data') })
    await database.loadDatabaseAsync()
    return new Nedb(database)
  },
}
