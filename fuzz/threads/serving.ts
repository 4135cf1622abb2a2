/** The server's process, which ends fronts on demand and says whose connections each had. */
import { once } from 'node:events'
import { type ServerProcess, startServerProcess } from '../../test/support/server-process.ts'
import type { FromServer, ToServer } from './messages.ts'

const PROGRAM = '../../fuzz/threads/server-program.js'
const FAILED_THREAD = /a thread failed/
const ANSWER_MS = 30_000
/** A small cache makes small checkpoints, and followers that fall behind them. */
const CACHE_BYTES = 4 * 1024 * 1024

export class Serving {
  readonly #process: ServerProcess
  #asked = 0

  constructor(dataDir: string, threads: number) {
    this.#process = startServerProcess({
      dataDir,
      program: PROGRAM,
      environment: {
        DAVENPORT_DAVENPORT__THREADS: String(threads),
        DAVENPORT_DAVENPORT__CACHE_BYTES: String(CACHE_BYTES),
        DAVENPORT_LOG__LEVEL: 'warning',
      },
    })
  }

  get port(): Promise<number> {
    return this.#process.port
  }

  /** What it wrote to its log. */
  get log(): string {
    return this.#process.child.err
  }

  /** Ends so many fronts, or none, and says which connections there are. */
  async fronts(kill: number, draw: number): Promise<FromServer> {
    const { process } = this.#process.child
    this.#asked += 1
    const id = this.#asked
    process.send({ id, kill, draw } satisfies ToServer)
    const signal = AbortSignal.timeout(ANSWER_MS)
    for (;;) {
      if (process.exitCode !== null) throw new Error(`the server ended by itself: ${this.log}`)
      const [answer] = (await once(process, 'message', { signal })) as [FromServer]
      if (answer.id === id) return answer
    }
  }

  async kill(): Promise<void> {
    await this.#process.kill()
    this.#requireThreads()
  }

  /** Throws when a thread ended that nobody has ended. */
  #requireThreads(): void {
    if (FAILED_THREAD.test(this.log)) throw new Error(this.log)
  }

  /** Throws when it does not stop cleanly. */
  async stop(): Promise<void> {
    const status = await this.#process.stop()
    if (status !== 0) throw new Error(`the server stopped with status ${status}: ${this.log}`)
    this.#requireThreads()
  }
}
