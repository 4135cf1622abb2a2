/**
 * One file of a store, as it is open. A compaction gives the store another one, and this one is retired:
 * - Whoever reads it (a snapshot, a stream) or is to read it later pins it; it is closed when it has not been pinned or read for
 *   `RETIRED_IDLE_MS`. Its name is gone by then, so its space comes back with the descriptor.
 * - References that were read from it are read from it, through `bytes`, never from its successor: a position
 *   says nothing about another file.
 */
import type { Reference, ValuePlace, ValueSource } from '../api.ts'
import { bytesOf, referenceOf, requireWhole } from '../arguments.ts'
import type { CacheSpace } from '../cache/page-cache.ts'
import { PageSource } from '../cache/page-source.ts'
import type { Clock } from '../clock.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { REFERENCE_BYTES } from '../format.ts'
import { partsOf, ValueReader } from '../values/values.ts'

/** How long a retired file waits for a reader that holds a reference and nothing else. */
const RETIRED_IDLE_MS = 60_000

export abstract class OpenFile {
  readonly file: StorageFile
  readonly salt: bigint
  readonly space: CacheSpace
  readonly source: PageSource
  readonly values: ValueReader
  readonly bytes: ValueSource
  #pins = 0
  #used = false
  #retired = false
  #cancelTimer: (() => void) | undefined
  #closing: Promise<void> | undefined

  protected constructor(file: StorageFile, salt: bigint, space: CacheSpace) {
    this.file = file
    this.salt = salt
    this.space = space
    this.source = new PageSource(file, salt, space)
    this.values = new ValueReader(file, salt, space.values)
    this.bytes = new FileBytes(this)
  }

  /** Gives back what was counted in the shared budget for changes that the file's nodes do not hold. */
  protected abstract forgetChanges(): void

  get isRetired(): boolean {
    return this.#retired
  }

  /** Keeps a retired file open until the returned function is called; calls after the first do nothing. */
  pin(): () => void {
    this.#pins += 1
    let pinned = true
    return () => {
      if (!pinned) return
      pinned = false
      this.#pins -= 1
      this.#used = true
    }
  }

  /** A reader holds a reference and was here just now. */
  touch(): void {
    this.#used = true
  }

  /** The store has another file from now on. `onClosed` runs when this one is closed. */
  retire(clock: Clock, onClosed: () => void): void {
    this.#retired = true
    this.forgetChanges()
    const wait = (): void => {
      this.#cancelTimer = clock.after(RETIRED_IDLE_MS, () => {
        if (this.#pins > 0 || this.#used) {
          this.#used = false
          wait()
          return
        }
        // Nobody waits for this; a descriptor that cannot be closed is gone all the same.
        void this.close()
          .catch(() => undefined)
          .then(onClosed)
      })
    }
    wait()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.()
    this.forgetChanges()
    this.space.clear()
    await this.file.close()
  }
}

class FileBytes implements ValueSource {
  readonly #open: OpenFile
  /** What references were located in last, mostly a page with many of them: it is looked at once. */
  #holder: Uint8Array | undefined

  constructor(open: OpenFile) {
    this.#open = open
  }

  get isCurrent(): boolean {
    return !this.#open.isRetired
  }

  get salt(): bigint {
    return this.#open.salt
  }

  read(reference: Reference, room?: (bytes: number) => Buffer): Buffer {
    this.#open.touch()
    return this.#open.values.read(referenceOf(reference), room)
  }

  locate(bytes: Uint8Array, offset: number): Readonly<ValuePlace> {
    if (bytes !== this.#holder) this.#holder = bytesOf('what holds a reference', bytes)
    const holder = this.#holder
    requireWhole('offset', offset, 0, holder.length - REFERENCE_BYTES)
    this.#open.touch()
    return this.#open.values.locate(holder, offset)
  }

  hold(): () => void {
    return this.#open.pin()
  }

  lengthOf(reference: Reference): number {
    return partsOf(referenceOf(reference)).length
  }

  readStream(given: Reference, start = 0, end?: number): AsyncGenerator<Buffer, void, void> {
    // A copy: it is read when the stream is, and may have been changed by then.
    const reference = Buffer.from(referenceOf(given))
    const length = partsOf(reference).length
    const last = end ?? length
    requireWhole('start', start)
    requireWhole('end', last)
    if (!(start >= 0 && start <= last && last <= length)) {
      throw new StorageError('INVALID_ARGUMENT', `bytes ${start} to ${last} of a value of ${length}`)
    }
    return this.#pinned(reference, start, last)
  }

  async *#pinned(reference: Reference, start: number, end: number): AsyncGenerator<Buffer, void, void> {
    const unpin = this.#open.pin()
    try {
      yield* this.#open.values.stream(reference, start, end)
    } finally {
      unpin()
    }
  }
}
