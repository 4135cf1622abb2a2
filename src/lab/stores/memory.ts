/** Nothing but memory: what the lab's own cost is measured by. It forgets all when it is closed, and promises that. */
import type { OpenedStore, Operation, ScanOptions, Store } from '../api.ts'
import { LabError } from '../lab-error.ts'

class MemoryStore implements OpenedStore {
  readonly #entries = new Map<string, Buffer>()
  #order: string[] | undefined = []

  commit(operations: readonly Operation[]): void {
    for (const { key, value } of operations) {
      const name = key.toString('latin1')
      if (value === undefined) {
        if (this.#entries.delete(name)) this.#order = undefined
      } else {
        if (!this.#entries.has(name)) this.#order = undefined
        this.#entries.set(name, Buffer.from(value))
      }
    }
  }

  get(key: Buffer): Buffer | undefined {
    const value = this.#entries.get(key.toString('latin1'))
    return value === undefined ? undefined : Buffer.from(value)
  }

  /** Texts of one byte a character are in the order of their bytes. */
  *scan({ start, limit = Number.POSITIVE_INFINITY }: ScanOptions): Generator<[Buffer, Buffer], void, void> {
    this.#order ??= [...this.#entries.keys()].sort()
    const order = this.#order
    const from = start === undefined ? 0 : firstFrom(order, start.toString('latin1'))
    for (let at = from; at < order.length && at - from < limit; at++) {
      const name = order[at]!
      yield [Buffer.from(name, 'latin1'), Buffer.from(this.#entries.get(name)!)]
    }
  }

  close(): void {
    this.#entries.clear()
  }
}

/** The place of the first name that is not before `start`. */
function firstFrom(order: readonly string[], start: string): number {
  let [low, high] = [0, order.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (order[middle]! < start) low = middle + 1
    else high = middle
  }
  return low
}

export const memoryStore: Store = {
  name: 'memory',
  capabilities: {
    transactions: true,
    orderedScans: true,
    concurrentWriters: true,
    multipleProcesses: false,
    fileSystem: false,
  },
  keepsNothing: true,
  open(_folder, { settings }) {
    for (const name of Object.keys(settings)) throw new LabError(`memory has no setting ${name}`)
    return new MemoryStore()
  },
}
