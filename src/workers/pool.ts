/**
 * The threads for work that would hold up the event loop. There are none until the first job, and none again when
 * there was nothing to do for `idleMs`. A job that throws, runs out of memory or whose thread ends rejects, and
 * nothing else is harmed: the pool makes another thread for the next one. (Jobs must give way to their event loop: V8
 * of Node 24 ends the whole process when a loop without turns fills a thread's memory with small objects.)
 */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import type { TransferListItem, Worker } from 'node:worker_threads'
import type { Piscina } from 'piscina'

export interface WorkerPoolOptions {
  /** 0: one fewer than the machine has processors, at least one. */
  threads: number
  /** JavaScript memory of one thread. */
  memoryBytes: number
  idleMs: number
}

const MEBIBYTE = 1024 * 1024

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  #pool: Piscina | undefined
  /** Of each job that has not ended: ends it with the reason for which there is no thread to run it. */
  readonly #outstanding = new Set<AbortController>()

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** Most jobs at once; more of them wait. */
  get size(): number {
    return this.#options.threads > 0 ? this.#options.threads : Math.max(1, availableParallelism() - 1)
  }

  /** Threads that there are now. */
  get threads(): number {
    return this.running.length
  }

  get running(): readonly Worker[] {
    return this.#pool?.threads ?? []
  }

  /**
   * Runs the default export of the module at `url` in a thread. Aborting `signal` ends the thread; this rejects when
   * it has ended, so that nothing of the job is still being written then.
   */
  async run<T>(
    url: string,
    job: unknown,
    options: { transfer: TransferListItem[]; signal: AbortSignal },
  ): Promise<T> {
    const { transfer, signal } = options
    const piscina = await import('piscina')
    // Who ends the pool has ended its jobs.
    signal.throwIfAborted()
    this.#pool ??= this.#made(piscina.Piscina)
    const pool = this.#pool
    const threadless = new AbortController()
    this.#outstanding.add(threadless)
    const exits = new Map<Worker, Promise<unknown>>()
    // It comes before the pool's own listener, which forgets the thread.
    const onAbort = (): void => {
      for (const thread of pool.threads)
        exits.set(
          thread,
          once(thread, 'exit').catch(() => undefined),
        )
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const either = AbortSignal.any([signal, threadless.signal])
      return await pool.run(job, { filename: url, transferList: transfer as never, signal: either })
    } catch (error) {
      throw threadless.signal.aborted ? threadless.signal.reason : error
    } finally {
      this.#outstanding.delete(threadless)
      signal.removeEventListener('abort', onAbort)
      for (const thread of pool.threads) exits.delete(thread)
      await Promise.all(exits.values())
    }
  }

  #made(Pool: typeof Piscina): Piscina {
    const pool = new Pool({
      minThreads: 0,
      maxThreads: this.size,
      idleTimeout: this.#options.idleMs,
      // A thread that waits for work must still be able to end.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(this.#options.memoryBytes / MEBIBYTE) },
    })
    // A thread that could not begin (no descriptors, no memory) had no job that could be told. Jobs wait for another
    // thread while there is one; else they are told, and the next job makes a new pool.
    pool.on('error', (error: Error) => {
      if (pool.threads.length > 0) return
      if (this.#pool === pool) this.#pool = undefined
      for (const job of this.#outstanding) job.abort(error)
      void pool.destroy()
    })
    return pool
  }

  /** Ends all threads at once. */
  async destroy(): Promise<void> {
    await this.#pool?.destroy()
    this.#pool = undefined
  }
}
