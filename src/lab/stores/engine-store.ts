/** An engine of the benchmarks' own interface as a store of the lab's. */
import { join } from 'node:path'
import type { CommitOptions, OpenedStore, Operation, ScanOptions, Store } from '../api.ts'
import { LabError } from '../lab-error.ts'
import type { Engine, StoreAdapter } from '../peers/adapter.ts'

class EngineStore implements OpenedStore {
  readonly #adapter: StoreAdapter

  constructor(adapter: StoreAdapter) {
    this.#adapter = adapter
  }

  commit(operations: readonly Operation[], { durable }: CommitOptions): Promise<void> {
    return this.#adapter.commit(operations, durable)
  }

  get(key: Buffer): Buffer | undefined {
    return this.#adapter.get(key)
  }

  async *scan({ start, limit }: ScanOptions): AsyncGenerator<[Buffer, Buffer], void, void> {
    const entries: [Buffer, Buffer][] = []
    const range = {
      ...(start === undefined ? {} : { start }),
      ...(limit === undefined ? {} : { limit }),
    }
    await this.#adapter.scan((key, value) => entries.push([key, value]), range)
    yield* entries
  }

  close(): Promise<void> {
    return this.#adapter.close()
  }
}

/** `rebuiltFiles`: as in Store. */
export function engineStore(engine: Engine, rebuiltFiles: readonly string[]): Store {
  const known = engine.settings ?? []
  return {
    name: engine.name,
    version: engine.version,
    capabilities: {
      transactions: true,
      orderedScans: true,
      concurrentWriters: true,
      multipleProcesses: false,
      fileSystem: false,
    },
    rebuiltFiles,
    async open(folder, { settings, cacheBytes }) {
      for (const name of Object.keys(settings)) {
        if (!known.includes(name)) {
          throw new LabError(
            `${engine.name} has no setting ${name} here: ${known.join(', ') || 'it has none'}`,
          )
        }
      }
      return new EngineStore(await engine.open(join(folder, 'store'), { cacheBytes, settings }))
    },
  }
}
