/**
 * A value that follows from what is stored, read again when a version has risen. It is kept only where the store has
 * taken in all that the version tells of: a thread whose store is behind gets the value of its store, unkept.
 */
import type { OpenStore } from './open-store.ts'

export class Versioned<T> {
  readonly #store: OpenStore
  readonly #versionNow: () => number
  readonly #read: (before: T | undefined) => T
  #kept: { version: number; value: T } | undefined

  /** `read` is given the value that was kept last, which it may answer again where nothing has changed. */
  constructor(store: OpenStore, versionNow: () => number, read: (before: T | undefined) => T) {
    this.#store = store
    this.#versionNow = versionNow
    this.#read = read
  }

  /** Whether what is given needs no look at the store. */
  get isKept(): boolean {
    return this.#kept !== undefined && this.#kept.version === this.#versionNow()
  }

  get(): T {
    // The version first: a write that comes between the two makes what is kept newer than its version, never older.
    const version = this.#versionNow()
    if (this.#kept?.version === version) return this.#kept.value
    const value = this.#read(this.#kept?.value)
    if (this.#store.isFresh) this.#kept = { version, value }
    return value
  }
}
