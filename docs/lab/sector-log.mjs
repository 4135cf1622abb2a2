/**
 * A log of lines in one file that goes by the file system it is given. Two copies of a header, a sector each, say how far
 * the file was whole when it was closed last: what ends before that is damage, and what ends behind it a write that a crash
 * cut short. As it is, it is right; the setting `bug` plants one: `trusting` goes on after a sync that failed, `unchecked`
 * leaves the digests out, `headless` the headers.
 */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { nodeFileSystem } from 'davenport-db/lab'

const SECTOR = 512
const START = 2 * SECTOR

const digestOf = (text) => createHash('sha256').update(text).digest('base64url').slice(0, 16)

class SectorLog {
  #entries = new Map()
  #last = Promise.resolve()
  #broken

  constructor(file, bug) {
    this.file = file
    this.bug = bug
    this.end = START
  }

  static async open(fileSystem, path, bug) {
    if (!(await fileSystem.exists(path))) {
      // The name is there when the headers are: one without is damaged.
      await fileSystem.remove(`${path}.new`)
      const made = new SectorLog(await fileSystem.open(`${path}.new`, 'create'), bug)
      await made.#writeHeaders()
      await made.file.close()
      await fileSystem.rename(`${path}.new`, path)
    }
    // The name may be one that a process before this gave and did not live to sync.
    await fileSystem.syncDirectory(dirname(path))
    const log = new SectorLog(await fileSystem.open(path, 'write'), bug)
    await log.#recover()
    return log
  }

  async #recover() {
    const bytes = Buffer.alloc(this.file.size())
    await this.file.read(bytes, 0)
    const vouched = this.bug === 'headless' ? START : this.#vouched(bytes)
    for (;;) {
      const newline = bytes.indexOf(10, this.end)
      const [digest, text] = bytes.toString('latin1', this.end, Math.max(newline, this.end)).split(' ')
      if (newline < 0 || (this.bug !== 'unchecked' && digest !== digestOf(`${this.end} ${text}`))) break
      for (const [key, value] of JSON.parse(Buffer.from(text, 'base64'))) this.#apply(key, value)
      this.end = newline + 1
    }
    if (this.end < vouched) throw new Error(`the log is damaged at ${this.end}`)
    // What was read may be in the page cache alone, after a sync that failed: only what is written anew becomes durable.
    if (this.end > vouched) await this.file.write(bytes.subarray(vouched, this.end), vouched)
    await this.file.truncate(this.end)
    await this.file.sync()
  }

  #vouched(bytes) {
    const ends = [0, SECTOR].map((at) => {
      const [end, digest] = bytes
        .toString('latin1', at, at + 64)
        .trimEnd()
        .split(' ')
      return digest === digestOf(end) ? Number(end) : 0
    })
    if (Math.max(...ends) === 0) throw new Error('both headers are damaged')
    return Math.max(...ends)
  }

  async #writeHeaders() {
    for (const at of [0, SECTOR]) {
      await this.file.write(Buffer.from(`${this.end} ${digestOf(String(this.end))}`.padEnd(SECTOR)), at)
      await this.file.sync()
    }
  }

  #apply(key, value) {
    if (value === null) this.#entries.delete(key)
    else this.#entries.set(key, value)
  }

  /** One after another: a commit that failed leaves no gap in front of the next. */
  commit(operations, { durable }) {
    const rows = operations.map(({ key, value }) => [key.toString('hex'), value?.toString('base64') ?? null])
    const done = this.#last.then(() => this.#append(rows, durable))
    this.#last = done.catch(() => {})
    return done
  }

  async #append(rows, durable) {
    if (this.#broken !== undefined) throw this.#broken
    const text = Buffer.from(JSON.stringify(rows)).toString('base64')
    const line = Buffer.from(`${digestOf(`${this.end} ${text}`)} ${text}\n`)
    await this.file.write(line, this.end)
    try {
      if (durable) await this.file.sync()
    } catch (error) {
      // Nobody knows what is durable now, and a second sync that works would not tell.
      if (this.bug !== 'trusting') this.#broken = error
      if (this.bug !== 'trusting') throw error
    }
    this.end += line.length
    for (const [key, value] of rows) this.#apply(key, value)
  }

  get(key) {
    const value = this.#entries.get(key.toString('hex'))
    return value === undefined ? undefined : Buffer.from(value, 'base64')
  }

  *scan({ start, limit = Infinity }) {
    const from = start?.toString('hex') ?? ''
    const keys = [...this.#entries.keys()].filter((key) => key >= from).sort()
    for (const key of keys.slice(0, limit))
      yield [Buffer.from(key, 'hex'), Buffer.from(this.#entries.get(key), 'base64')]
  }

  async close() {
    await this.#last
    if (this.#broken === undefined) {
      await this.file.sync()
      await this.#writeHeaders()
    }
    await this.file.close()
  }
}

export default {
  name: 'sector-log',
  capabilities: {
    transactions: true,
    orderedScans: true,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: true,
  },
  open: (folder, { settings, fileSystem = nodeFileSystem }) =>
    SectorLog.open(fileSystem, join(folder, 'log'), settings.bug),
}
