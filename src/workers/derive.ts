/**
 * Keys derived from passwords (PBKDF2). What takes long is done in threads of their own, which have less of the processors
 * than the threads that answer requests when there are too few for all: a flood of wrong passwords must not slow the
 * others down, and where many wait those threads sink to the lowest priority. (libuv's threads, where Node does it else, read and write files too and cannot have less.)
 */
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { Derivation } from './derive-job.ts'
import { WorkerPool } from './pool.ts'

const WORKER = new URL('./derive-worker.js', import.meta.url).href
/** About ten milliseconds. */
const FEW_ITERATIONS = 20_000
const MEMORY_BYTES = 64 * 1024 * 1024
const IDLE_MS = 10_000

const pbkdf2Async = promisify(pbkdf2)

export class DeriveThreads {
  readonly #pool: WorkerPool

  /** `threads`: most keys that are derived at once. */
  constructor(threads: number) {
    this.#pool = new WorkerPool({ threads, memoryBytes: MEMORY_BYTES, idleMs: IDLE_MS })
  }

  async derive(derivation: Derivation): Promise<Uint8Array> {
    const { password, salt, iterations, bytes, digest } = derivation
    if (iterations > FEW_ITERATIONS) {
      try {
        const options = { transfer: [], signal: new AbortController().signal }
        return await this.#pool.run<Uint8Array>(WORKER, derivation, options)
      } catch {
        // No thread could be had: nobody is refused for that.
      }
    }
    return pbkdf2Async(password, salt, iterations, bytes, digest)
  }
}
