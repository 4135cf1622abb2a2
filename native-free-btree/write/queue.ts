/**
 * What waits for the writer, in order of arrival, bounded in bytes: beyond the bound callers wait outside,
 * in order, and may give up by their signal until the writer has taken their entry.
 */
import type { Transaction } from '../api.ts'
import { StorageError } from '../errors.ts'
import type { GroupBuilder } from '../log/builder.ts'

export interface QueueEntry {
  readonly kind: 'transaction' | 'chunk' | 'flush' | 'turn'
  readonly sizeBytes: number
  /** Runs when the group is formed; a throw leaves the entry out of it. */
  readonly build: (tx: Transaction, builder: GroupBuilder) => unknown
  /** Called with what `build` returned when the group is durable and not applied; it must not throw. */
  readonly onDurable: ((value: unknown) => void) | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Set when the writer takes it: from then on it cannot be aborted. */
  taken: boolean
}

/** An entry with its neighbours: it is taken out of the middle as fast as from the front, however many wait. */
interface Link extends QueueEntry {
  admitted: boolean
  previous: Link | undefined
  next: Link | undefined
}

export class WriteQueue {
  readonly #limitBytes: number
  /** In order of arrival: those that were admitted, then those that wait for room. The first one is always admitted. */
  #first: Link | undefined
  #last: Link | undefined
  #firstWaiting: Link | undefined
  #queuedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  /** Adds an entry; `onReady` is called at once. Resolves or rejects with the entry. */
  add<T>(
    kind: QueueEntry['kind'],
    sizeBytes: number,
    build: QueueEntry['build'],
    signal: AbortSignal | undefined,
    onDurable?: (value: T) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(aborted(signal))
        return
      }
      const entry: Link = {
        kind,
        sizeBytes,
        build,
        onDurable: onDurable as QueueEntry['onDurable'],
        taken: false,
        admitted: false,
        previous: this.#last,
        next: undefined,
        resolve: (value) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(value as T)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      const onAbort = () => {
        if (entry.taken) return
        this.#remove(entry)
        reject(aborted(signal!))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#append(entry)
      this.#admit()
    })
  }

  #append(entry: Link): void {
    if (this.#last === undefined) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
    this.#firstWaiting ??= entry
  }

  #admit(): void {
    for (let entry = this.#firstWaiting; entry !== undefined; entry = this.#firstWaiting) {
      if (entry !== this.#first && this.#queuedBytes + entry.sizeBytes > this.#limitBytes) return
      entry.admitted = true
      this.#queuedBytes += entry.sizeBytes
      this.#firstWaiting = entry.next
    }
  }

  #remove(entry: Link): void {
    if (entry.previous === undefined) this.#first = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#last = entry.previous
    else entry.next.previous = entry.previous
    if (entry.admitted) this.#queuedBytes -= entry.sizeBytes
    else if (this.#firstWaiting === entry) this.#firstWaiting = entry.next
    // An entry that has grown old in memory would keep all that came behind it, and what they lead to, up to a full collection.
    entry.previous = undefined
    entry.next = undefined
    this.#admit()
  }

  peek(): QueueEntry | undefined {
    return this.#first
  }

  /** Takes the first entry; it can no longer be aborted. */
  take(): QueueEntry {
    const entry = this.#first!
    entry.taken = true
    this.#remove(entry)
    return entry
  }

  rejectAll(error: unknown): void {
    let entry = this.#first
    this.#first = undefined
    this.#last = undefined
    this.#firstWaiting = undefined
    this.#queuedBytes = 0
    while (entry !== undefined) {
      const { next } = entry
      entry.previous = undefined
      entry.next = undefined
      entry.taken = true
      entry.reject(error)
      entry = next
    }
  }
}

function aborted(signal: AbortSignal): StorageError {
  return new StorageError('ABORTED', 'the write was aborted before its turn came', {}, signal.reason)
}
