/**
 * The file system as one process sees it: when the process is killed, what it does afterwards does not happen, and a
 * write under way may have come to any length. The files stay as they are, the page cache with them.
 */
import type { FileSystem, OpenMode, StorageFile } from '../../../native-free-btree/index.ts'
import type { Random } from '../random.ts'

/** The process that sees this was killed. */
export class Killed extends Error {
  constructor() {
    super('The simulated process was killed.')
  }
}

export class MortalFileSystem implements FileSystem {
  readonly #inner: FileSystem
  readonly #random: Random
  readonly #onDeath: () => void
  /** Writes, syncs and the like that it may still do. */
  #left = Number.POSITIVE_INFINITY
  isDead = false

  constructor(inner: FileSystem, random: Random, onDeath: () => void = () => {}) {
    this.#inner = inner
    this.#random = random
    this.#onDeath = onDeath
  }

  /** It is killed in the operation after so many others. */
  dieAfter(operations: number): void {
    this.#left = operations
  }

  /** It is killed now, if it has not been before: its timers do nothing any more. */
  kill(): void {
    if (this.isDead) return
    this.isDead = true
    this.#onDeath()
  }

  /** True when this operation is the one in which it dies. */
  #step(): boolean {
    if (this.isDead) throw new Killed()
    this.#left -= 1
    this.isDead = this.#left < 0
    if (this.isDead) this.#onDeath()
    return this.isDead
  }

  #assertAlive(): void {
    if (this.isDead) throw new Killed()
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    const dies = this.#step()
    if (dies && this.#random.bool()) throw new Killed()
    const result = await work()
    this.#assertAlive()
    return result
  }

  async open(path: string, mode: OpenMode): Promise<StorageFile> {
    const file = await this.#change(() => this.#inner.open(path, mode))
    return {
      path,
      size: () => {
        this.#assertAlive()
        return file.size()
      },
      isAt: (at) => {
        this.#assertAlive()
        return file.isAt(at)
      },
      readSync: (target, position) => {
        this.#assertAlive()
        return file.readSync(target, position)
      },
      read: async (target, position) => {
        this.#assertAlive()
        return file.read(target, position)
      },
      write: async (source, position) => {
        if (this.#step()) {
          await file.write(source.subarray(0, this.#random.int(source.length + 1)), position)
          throw new Killed()
        }
        await file.write(source, position)
        this.#assertAlive()
      },
      sync: () => this.#change(() => file.sync()),
      truncate: (length) => this.#change(() => file.truncate(length)),
      close: () => file.close(),
    }
  }

  async exists(path: string): Promise<boolean> {
    this.#assertAlive()
    return this.#inner.exists(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change(() => this.#inner.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#change(() => this.#inner.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#change(() => this.#inner.syncDirectory(path))
  }
}
