/** flat-file-db as a store, with the fsync on all puts that is its default: npm install flat-file-db, and run the lab from there. */
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'package.json'))
const flatfile = require('flat-file-db')
const { version } = require('flat-file-db/package.json')

class FlatFile {
  constructor(database) {
    this.database = database
  }

  #done(begin) {
    return new Promise((resolve, reject) => begin((error) => (error ? reject(error) : resolve())))
  }

  put(key, value) {
    return this.#done((done) => this.database.put(key.toString('hex'), value.toString('base64'), done))
  }

  async delete(key) {
    const name = key.toString('hex')
    if (this.database.has(name)) await this.#done((done) => this.database.del(name, done))
  }

  get(key) {
    const value = this.database.get(key.toString('hex'))
    return value === undefined ? undefined : Buffer.from(value, 'base64')
  }

  *scan() {
    for (const name of this.database.keys()) {
      yield [Buffer.from(name, 'hex'), Buffer.from(this.database.get(name), 'base64')]
    }
  }

  close() {
    return new Promise((resolve, reject) => {
      this.database.once('close', resolve).once('error', reject)
      this.database.close()
    })
  }
}

export default {
  name: 'flat-file-db',
  version,
  capabilities: {
    transactions: false,
    orderedScans: false,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: false,
  },
  open(folder) {
    return new Promise((resolve, reject) => {
      const database = flatfile(join(folder, 'data.db'))
      database.once('open', () => resolve(new FlatFile(database))).once('error', reject)
    })
  },
}
