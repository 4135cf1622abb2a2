/**
 * Adapters that are wrong, each in one way, over one file of lines of JSON; the setting `bug` says which. Started as
 * they are by the lab.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

function read(path) {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}

class Broken {
  #entries = new Map()
  #bug
  #held = []

  constructor(folder, bug) {
    this.#bug = bug
    const path = join(folder, 'log')
    for (const line of read(path).filter((each) => each.endsWith(']'))) {
      for (const [key, value] of JSON.parse(line)) this.#set(key, value)
    }
    this.descriptor = openSync(path, 'a')
  }

  #set(key, value) {
    if (value === null) this.#entries.delete(key)
    else this.#entries.set(key, value)
  }

  async commit(operations) {
    const rows = operations.map(({ key, value }) => [key.toString('hex'), value?.toString('hex') ?? null])
    for (const [key, value] of rows) this.#set(key, value)
    if (this.#bug === 'buffers') {
      this.#held.push(rows)
      if (this.#held.length >= 5) for (const each of this.#held.splice(0)) this.#append(each)
    } else if (this.#bug === 'splits') {
      for (const row of rows) {
        this.#append([row])
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    } else if (this.#bug === 'invents') {
      this.#append(rows.map(([key, value]) => [key, value === null ? null : `${value}00`]))
    } else {
      this.#append(rows)
    }
  }

  #append(rows) {
    writeSync(this.descriptor, `\n${JSON.stringify(rows)}\n`)
    fsyncSync(this.descriptor)
  }

  get(key) {
    const value = this.#entries.get(key.toString('hex'))
    return value === undefined ? undefined : Buffer.from(value, 'hex')
  }

  close() {
    closeSync(this.descriptor)
  }
}

export default {
  name: 'broken',
  capabilities: {
    transactions: true,
    orderedScans: false,
    concurrentWriters: false,
    multipleProcesses: false,
    fileSystem: false,
  },
  open: (folder, { settings }) => new Broken(folder, settings.bug),
}
