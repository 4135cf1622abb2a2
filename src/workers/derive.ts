/**
 * Keys derived from passwords (PBKDF2). What takes long is done in threads of their own, which take what the others leave of the
 * processors: a flood of wrong passwords must not slow anybody down who asks for something else. Where nothing is left, nobody
 * may be kept out for that: a key that takes too long is derived by another thread, which has its little share whatever the others do.
 * (libuv's threads, where Node does it else, read and write files too and cannot have less.)
 */
import { pbkdf2 } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Derivation, Share } from './derive-job.ts'
import { WorkerPool } from './pool.ts'

const WORKER = new URL('./derive-worker.js', import.meta.url).href
/** About ten milliseconds. */
const FEW_ITERATIONS = 20_000
const MEMORY_BYTES = 64 * 1024 * 1024
const IDLE_MS = 10_000

const pbkdf2Async = promisify(pbkdf2)

/** How long a key may take in what is left, milliseconds: a processor that nobody else wants does an iteration in 0.2 to 1 µs. */
function usualPatience(iterations: number): number {
  return 500 + iterations * 0.003
}

export class DeriveThreads {
  readonly #pools: Record<Share, WorkerPool>
  readonly #patienceMs: typeof usualPatience
  /** Keys that took too long and that nobody waits for; while there are any, nothing is left of the processors. */
  #late = 0

  /** `threads`: most keys that are derived at once, but for those that are late. */
  constructor(threads: number, patienceMs = usualPatience) {
    const pool = (): WorkerPool => new WorkerPool({ threads, memoryBytes: MEMORY_BYTES, idleMs: IDLE_MS })
    this.#pools = { whatIsLeft: pool(), little: pool() }
    this.#patienceMs = patienceMs
  }

  async derive(derivation: Derivation): Promise<Uint8Array> {
    const { password, salt, iterations, bytes, digest } = derivation
    if (iterations > FEW_ITERATIONS) {
      try {
        const key = this.#late > 0 ? undefined : await this.#inTime(derivation)
        return key ?? (await this.#run(derivation, 'little'))
      } catch {
        // No thread could be had: nobody is refused for that.
      }
    }
    return pbkdf2Async(password, salt, iterations, bytes, digest)
  }

  /** The key, unless what is left of the processors is too little for it. Rejects as `#run` does. */
  async #inTime(derivation: Derivation): Promise<Uint8Array | undefined> {
    const isDone = new AbortController()
    const key = this.#run(derivation, 'whatIsLeft').finally(() => isDone.abort())
    const patienceMs = this.#patienceMs(derivation.iterations)
    const patience = delay(patienceMs, undefined, { signal: isDone.signal }).catch(() => undefined)
    await Promise.race([key, patience])
    if (isDone.signal.aborted) return key
    this.#late += 1
    const over = (): void => {
      this.#late -= 1
    }
    key.then(over, over)
    return undefined
  }

  /** Rejects when there is no thread for it, and for what cannot be derived. */
  #run(derivation: Derivation, share: Share): Promise<Uint8Array> {
    const options = { transfer: [], signal: new AbortController().signal }
    return this.#pools[share].run<Uint8Array>(WORKER, { ...derivation, share }, options)
  }
}
