import type { Pack } from '../../database/attachments/content.ts'
import { GzipThreads } from '../../workers/gzip.ts'
import type { GzipLevel } from '../../workers/gzip-job.ts'

/** JavaScript memory of a thread; what it packs is outside of it. */
const THREAD_MEMORY_BYTES = 64 * 1024 * 1024
const THREAD_IDLE_MS = 10_000

/**
 * Which attachments are stored gzipped, by CouchDB's settings `[attachments] compressible_types` and
 * `compression_level`: a list of media types with `*` as a wildcard, matched without their parameters.
 */
export class AttachmentCompression {
  readonly #types: RegExp[]
  readonly #level: number
  readonly #threads = new GzipThreads({
    threads: 0,
    memoryBytes: THREAD_MEMORY_BYTES,
    idleMs: THREAD_IDLE_MS,
  })

  constructor(types: string, level: number) {
    this.#level = level
    this.#types = types
      .split(',')
      .map((type) => type.trim())
      .filter((type) => type !== '')
      .map((type) => {
        const pattern = type.replace(/[^*\w\s/-]/g, '\\$&').replaceAll('*', '.*')
        return new RegExp(`^${pattern}$`, 'i')
      })
  }

  /** Undefined: such content is stored as it is. */
  packFor(contentType: string): Pack | undefined {
    if (this.#level === 0) return undefined
    const [type] = contentType.split(';', 1)
    if (!this.#types.some((each) => each.test(type!.trim()))) return undefined
    const level = this.#level as GzipLevel
    return (source) => this.#threads.pack(source, level)
  }

  /** To be called when no more attachments come in. */
  close(): Promise<void> {
    return this.#threads.close()
  }
}
