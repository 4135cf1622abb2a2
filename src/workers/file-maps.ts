/**
 * Maps of the files of open databases, made in a thread of their own that others go before. What holds:
 * - One map is made at a time. Who asks for one that is being made, or waits to be, waits for that one.
 * - A map is kept, and good until its file has grown by a twentieth or has another length than it could have grown to:
 *   it costs a walk over the whole file and all trees.
 * - What is kept is bounded, and so are those files that wait. A map that nobody waits for any more is not made.
 */
import { LRUCache } from 'lru-cache'
import { DatabaseError } from '../base/errors.ts'
import type { DatabaseMap } from '../database/layout/file-map.ts'
import type { MapJob, MapReport } from './map-job.ts'
import { WorkerPool } from './pool.ts'

const WORKER = new URL('./map-worker.js', import.meta.url).href
const MEMORY_BYTES = 256 * 1024 * 1024
const IDLE_MS = 10_000
const BUCKETS = 1000
const MOST_KEPT = 16
const MOST_WAITING = 16
/** A map of a file that is this much longer by now is too old. */
const GROWTH = 1.05

interface Making {
  readonly made: Promise<DatabaseMap>
  readonly end: AbortController
  waiting: number
}

/** A database's file as it is now. */
export interface MappedFile {
  /** Of the database, whatever files it has had. */
  readonly uuid: string
  readonly path: string
  readonly fileBytes: number
}

export class FileMaps {
  readonly #pool = new WorkerPool({ threads: 1, memoryBytes: MEMORY_BYTES, idleMs: IDLE_MS })
  readonly #kept = new LRUCache<string, DatabaseMap>({ max: MOST_KEPT })
  readonly #making = new Map<string, Making>()
  readonly #buckets: number

  constructor(buckets = BUCKETS) {
    this.#buckets = buckets
  }

  /**
   * A map of the file, of now or of when it was a little shorter. Throws noDatabase when it is gone, mapsBusy when too many
   * others wait for theirs, and what `signal` was aborted with.
   */
  async map({ uuid, path, fileBytes }: MappedFile, signal?: AbortSignal): Promise<DatabaseMap> {
    const kept = this.#kept.get(uuid)
    if (kept !== undefined && kept.fileBytes <= fileBytes && fileBytes <= kept.fileBytes * GROWTH) return kept
    signal?.throwIfAborted()
    const making = this.#making.get(uuid) ?? this.#make(uuid, path)
    making.waiting += 1
    let leave: (() => void) | undefined
    const left = new Promise<never>((_, reject) => {
      leave = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', leave, { once: true })
    })
    try {
      return await Promise.race([making.made, left])
    } finally {
      if (leave !== undefined) signal?.removeEventListener('abort', leave)
      making.waiting -= 1
      if (making.waiting === 0) this.#stop(uuid, making)
    }
  }

  #make(uuid: string, path: string): Making {
    if (this.#making.size >= MOST_WAITING) throw new DatabaseError('mapsBusy')
    const end = new AbortController()
    const job: MapJob = { path, buckets: this.#buckets }
    const made = this.#pool
      .run<MapReport>(WORKER, job, { transfer: [], signal: end.signal })
      .then((report) => {
        if (report === undefined) throw new DatabaseError('noDatabase')
        this.#kept.set(uuid, report)
        return report
      })
      .finally(() => this.#forget(uuid, making))
    const making: Making = { made, end, waiting: 0 }
    this.#making.set(uuid, making)
    return making
  }

  #forget(uuid: string, making: Making): void {
    if (this.#making.get(uuid) === making) this.#making.delete(uuid)
  }

  #stop(uuid: string, making: Making): void {
    this.#forget(uuid, making)
    making.end.abort()
  }

  /** Ends what is being made. */
  async close(): Promise<void> {
    for (const { end } of this.#making.values()) end.abort()
    this.#kept.clear()
    await this.#pool.destroy()
  }
}
