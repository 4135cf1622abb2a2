/**
 * A store in the process that measures it: a module's, or one that is built in, runs in it; a program's has a process of
 * its own behind the pipe, and what it takes to ask it counts. Nothing stands between a module's functions and the clock.
 */
import type { OpenedStore, OpenOptions, Operation } from '../api.ts'
import { loadStore, storeSource } from '../load-store.ts'
import { cpuUs, deviceBytes, peakMemoryBytes, writtenBytes } from '../measure/process-figures.ts'
import { groupFigures } from '../measure/process-group.ts'
import { openedBy } from '../opened.ts'
import { type Introduction, introduce, openIn } from '../pipe/pipe-store.ts'
import { programOf } from '../pipe/program-of.ts'
import { StoreProcess } from '../pipe/store-process.ts'
import type { Action } from './action.ts'

/** What the store's processes have used so far; NaN where the machine does not tell. */
export interface Usage {
  readonly cpuUs: number
  readonly peakMemoryBytes: number
  /** Given to write() and its like. */
  readonly writtenBytes: number
  /** That the kernel sent to the device, or will: 0 where there is none, as on a tmpfs. */
  readonly deviceBytes: number
}

export class MeasuredStore {
  readonly introduction: Introduction
  readonly #open: (folder: string, options: OpenOptions) => Promise<OpenedStore>
  readonly #usage: () => Usage
  readonly #cpuUs: () => number
  readonly #end: () => Promise<void>
  #opened: OpenedStore | undefined

  private constructor(
    introduction: Introduction,
    parts: {
      open(folder: string, options: OpenOptions): Promise<OpenedStore>
      usage(): Usage
      cpuUs(): number
      end?(): Promise<void>
    },
  ) {
    this.introduction = introduction
    this.#open = parts.open
    this.#usage = parts.usage
    this.#cpuUs = parts.cpuUs
    this.#end = parts.end ?? (() => Promise.resolve())
  }

  /** Loads what stands behind `--store`. Rejects with LabError. */
  static async of(words: string): Promise<MeasuredStore> {
    const source = storeSource(words)
    if (source.kind !== 'command') {
      const store = await loadStore(words)
      return new MeasuredStore(store, {
        open: (folder, options) => openedBy(store, folder, options),
        cpuUs,
        usage: () => ({
          cpuUs: cpuUs(),
          peakMemoryBytes: peakMemoryBytes(),
          writtenBytes: writtenBytes(),
          deviceBytes: deviceBytes(),
        }),
      })
    }
    const process = new StoreProcess(programOf(source))
    const introduction = await introduce(process)
    return new MeasuredStore(introduction, {
      open: (folder, options) => openIn(process, introduction, folder, options, true),
      usage: () => groupFigures(process.pid),
      cpuUs: () => groupFigures(process.pid).cpuUs,
      end: () => process.end(),
    })
  }

  async open(folder: string, options: OpenOptions): Promise<void> {
    this.#opened = await this.#open(folder, options)
  }

  get usage(): Usage {
    return this.#usage()
  }

  get cpuUs(): number {
    return this.#cpuUs()
  }

  /**
   * Does an action, and returns how many documents that was: at once where the store's functions do. Rejects for a read
   * that gives something else than was written.
   */
  perform(action: Action, durable: boolean): number | Promise<number> {
    switch (action.kind) {
      case 'read':
        return this.#read(action.key, action.valueBytes)
      case 'scan':
        return this.#scan(action.start, action.limit)
      case 'read-modify-write':
        return this.#readModifyWrite(action.operation, durable)
      default:
        return this.#write(action.operations, durable)
    }
  }

  get #store(): OpenedStore {
    if (this.#opened === undefined) throw new Error('the store is not open')
    return this.#opened
  }

  #read(key: Buffer, bytes: number): number | Promise<number> {
    const value = this.#store.get(key)
    const check = (found: Uint8Array | undefined | null): number => {
      if (found?.length !== bytes) {
        const given = found === undefined || found === null ? 'nothing' : `${found.length} bytes`
        throw new Error(`get() gave ${given} where ${bytes} bytes had been written`)
      }
      return 1
    }
    return value instanceof Promise ? value.then(check) : check(value)
  }

  async #scan(start: Buffer | undefined, limit: number | undefined): Promise<number> {
    const store = this.#store
    if (store.scan === undefined) throw new Error('there is no scan()')
    const found = store.scan({ start, limit })
    let count = 0
    if (Symbol.asyncIterator in found) for await (const _ of found) count += 1
    else for (const _ of found) count += 1
    return count
  }

  async #readModifyWrite(operation: Operation, durable: boolean): Promise<number> {
    await this.#read(operation.key, operation.value?.length ?? 0)
    return this.#write([operation], durable)
  }

  /** Without transactions each operation goes alone, and the last one is the durable one. */
  async #write(operations: readonly Operation[], durable: boolean): Promise<number> {
    const store = this.#store
    if (this.introduction.capabilities.transactions) {
      await store.commit?.(operations, { durable })
      return operations.length
    }
    for (const [index, operation] of operations.entries()) {
      const options = { durable: durable && index === operations.length - 1 }
      const { key, value } = operation
      if (store.commit !== undefined) await store.commit([operation], options)
      else if (value === undefined) await store.delete?.(key, options)
      else await store.put?.(key, value, options)
    }
    return operations.length
  }

  async close(): Promise<void> {
    await this.#opened?.close()
    this.#opened = undefined
  }

  /** Ends the store's process, where it has one of its own. */
  async end(): Promise<void> {
    await this.#end()
  }
}
