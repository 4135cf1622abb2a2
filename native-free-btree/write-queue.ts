/**
 * What waits for the writer, in order of arrival, bounded in bytes: beyond the bound callers wait outside,
 * in order, and may give up by their signal until the writer has taken their entry.
 */
import type { Transaction } from './api.ts'
import { StorageError } from './errors.ts'
import type { GroupBuilder } from './group-builder.ts'

export interface QueueEntry {
  readonly kind: 'transaction' | 'chunk' | 'flush' | 'turn'
  readonly sizeBytes: number
  /** Runs when the group is formed; a throw leaves the entry out of it. */
  readonly build: (tx: Transaction, builder: GroupBuilder) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Set when the writer takes it: from then on it cannot be aborted. */
  taken: boolean
}

export class WriteQueue {
  readonly #limitBytes: number
  readonly #admitted: QueueEntry[] = []
  readonly #waiting: QueueEntry[] = []
  #queuedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get isEmpty(): boolean {
    return this.#admitted.length === 0
  }

  /** Adds an entry; `onReady` is called at once. Resolves or rejects with the entry. */
  add<T>(
    kind: QueueEntry['kind'],
    sizeBytes: number,
    build: QueueEntry['build'],
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(aborted(signal))
        return
      }
      const entry: QueueEntry = {
        kind,
        sizeBytes,
        build,
        taken: false,
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
      this.#waiting.push(entry)
      this.#admit()
    })
  }

  #admit(): void {
    while (this.#waiting.length > 0) {
      const entry = this.#waiting[0]!
      if (this.#admitted.length > 0 && this.#queuedBytes + entry.sizeBytes > this.#limitBytes) return
      this.#waiting.shift()
      this.#admitted.push(entry)
      this.#queuedBytes += entry.sizeBytes
    }
  }

  #remove(entry: QueueEntry): void {
    const waiting = this.#waiting.indexOf(entry)
    if (waiting >= 0) {
      this.#waiting.splice(waiting, 1)
      return
    }
    const admitted = this.#admitted.indexOf(entry)
    if (admitted < 0) return
    this.#admitted.splice(admitted, 1)
    this.#queuedBytes -= entry.sizeBytes
    this.#admit()
  }

  peek(): QueueEntry | undefined {
    return this.#admitted[0]
  }

  /** Takes the first entry; it can no longer be aborted. */
  take(): QueueEntry {
    const entry = this.#admitted.shift()!
    entry.taken = true
    this.#queuedBytes -= entry.sizeBytes
    this.#admit()
    return entry
  }

  rejectAll(error: unknown): void {
    for (const entry of [...this.#admitted, ...this.#waiting]) entry.reject(error)
    this.#admitted.length = 0
    this.#waiting.length = 0
    this.#queuedBytes = 0
  }
}

function aborted(signal: AbortSignal): StorageError {
  return new StorageError('ABORTED', 'the write was aborted before its turn came', {}, signal.reason)
}
