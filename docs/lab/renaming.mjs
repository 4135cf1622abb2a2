/**
 * A store that writes all it holds into a new file for each commit and renames it into place. As it is, it is right; the
 * setting `bug` plants one: `early` answers before anything is synced, `nameless` leaves out the sync of the folder,
 * `halves` writes the file in place, over the one before.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

class Renaming {
  #entries = new Map()
  #folder
  #bug

  constructor(folder, bug) {
    this.#folder = folder
    this.#bug = bug
    const path = join(folder, 'all')
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const rows =
      bug === 'halves'
        ? text.split('\n').filter((row) => /^[0-9a-f]+ [0-9a-f]*$/.test(row))
        : text.split('\n')
    for (const row of rows.filter((each) => each !== '')) this.#entries.set(...row.split(' '))
  }

  commit(operations) {
    for (const { key, value } of operations) {
      if (value === undefined) this.#entries.delete(key.toString('hex'))
      else this.#entries.set(key.toString('hex'), value.toString('hex'))
    }
    const text = [...this.#entries].map(([key, value]) => `${key} ${value}\n`).join('')
    if (this.#bug === 'halves') {
      this.#write(join(this.#folder, 'all'), text, true)
      return
    }
    this.#write(join(this.#folder, 'new'), text, this.#bug !== 'early')
    renameSync(join(this.#folder, 'new'), join(this.#folder, 'all'))
    if (this.#bug === undefined) this.#sync(this.#folder)
  }

  #write(path, text, syncs) {
    const descriptor = openSync(path, 'w')
    writeSync(descriptor, text)
    if (syncs) fsyncSync(descriptor)
    closeSync(descriptor)
  }

  #sync(path) {
    const descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
    closeSync(descriptor)
  }

  get(key) {
    const value = this.#entries.get(key.toString('hex'))
    return value === undefined ? undefined : Buffer.from(value, 'hex')
  }

  close() {}
}

export default {
  name: 'renaming',
  capabilities: {
    transactions: true,
    orderedScans: false,
    concurrentWriters: false,
    multipleProcesses: false,
    fileSystem: false,
  },
  open: (folder, { settings }) => new Renaming(folder, settings.bug),
}
