/**
 * A store of one file, as somebody writes it from docs/LAB.md: every commit is one line of JSON with its length before
 * it, appended and synced; what is cut at the end is cut off when the file is opened.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

function syncFolder(folder) {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

class FileLog {
  #entries = new Map()
  #end = 0

  constructor(folder) {
    const path = join(folder, 'log')
    this.descriptor = openSync(path, 'a+')
    syncFolder(folder)
    const bytes = readFileSync(path)
    for (;;) {
      const newline = bytes.indexOf(10, this.#end)
      if (newline < 0) break
      const [digest, line] = bytes.toString('latin1', this.#end, newline).split(' ', 2)
      if (digest !== digestOf(line ?? '')) break
      this.#apply(JSON.parse(Buffer.from(line, 'base64').toString()))
      this.#end = newline + 1
    }
    ftruncateSync(this.descriptor, this.#end)
    fdatasyncSync(this.descriptor)
  }

  #apply(operations) {
    for (const [key, value] of operations) {
      if (value === null) this.#entries.delete(key)
      else this.#entries.set(key, value)
    }
  }

  commit(operations, { durable }) {
    const rows = operations.map(({ key, value }) => [key.toString('hex'), value?.toString('base64') ?? null])
    const line = Buffer.from(JSON.stringify(rows)).toString('base64')
    writeSync(this.descriptor, `${digestOf(line)} ${line}\n`)
    if (durable) fdatasyncSync(this.descriptor)
    this.#apply(rows)
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

  close() {
    closeSync(this.descriptor)
  }
}

/** FNV-1a, twice, over the characters. */
function digestOf(text) {
  let [a, b] = [0x811c9dc5, 0x1000193]
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193) >>> 0
    b = Math.imul(b + text.charCodeAt(i), 0x85ebca6b) >>> 0
  }
  return a.toString(16) + b.toString(16)
}

export default {
  name: 'file-log',
  capabilities: {
    transactions: true,
    orderedScans: true,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: false,
  },
  open: (folder) => new FileLog(folder),
}
