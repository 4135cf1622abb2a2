import type { FileSystem, StorageFile } from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'

const MICROSECONDS = 1000

/** The same file system, whose syncs are counted and measured. */
export function measuredFileSystem(fileSystem: FileSystem, metrics: Metrics, clock: Clock): FileSystem {
  return {
    ...fileSystem,
    open: async (path, mode) => new MeasuredFile(await fileSystem.open(path, mode), metrics, clock),
  }
}

class MeasuredFile implements StorageFile {
  readonly path: string
  readonly #file: StorageFile
  readonly #metrics: Metrics
  readonly #clock: Clock

  constructor(file: StorageFile, metrics: Metrics, clock: Clock) {
    this.path = file.path
    this.#file = file
    this.#metrics = metrics
    this.#clock = clock
  }

  async sync(): Promise<void> {
    const startMs = this.#clock.monotonic()
    this.#metrics.count('fsync.count')
    await this.#file.sync()
    const durationMs = this.#clock.monotonic() - startMs
    this.#metrics.observe('fsync.time', durationMs * MICROSECONDS, this.#clock.now())
  }

  size(): number {
    return this.#file.size()
  }

  isAt(path: string): boolean {
    return this.#file.isAt(path)
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#file.readSync(target, position)
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position)
  }

  write(source: Uint8Array, position: number): Promise<void> {
    return this.#file.write(source, position)
  }

  truncate(length: number): Promise<void> {
    return this.#file.truncate(length)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
