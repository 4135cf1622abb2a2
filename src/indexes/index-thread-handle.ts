/** The thread that writes indexes, as the core has it: started when it is first asked, and again after it has ended. */
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { Channel } from '../workers/channel.ts'
import type { BuildProgress } from './build.ts'
import type { IndexThreadStart } from './index-service-thread.ts'
import type { CompactionProgress, CoreVocabulary, IndexVocabulary } from './protocol.ts'

const PROGRAM = new URL('./index-thread.js', import.meta.url)
const MEBIBYTE = 1024 * 1024
/** A thread that was told to stop and has not ended then is ended. */
const STOP_GRACE_MS = 5000

export interface IndexThreadOptions {
  readonly settings: SettingsRegistry
  readonly clock: Clock
  readonly log: Log
  onProgress(path: string, progress: BuildProgress): void
  onCompaction(path: string, progress: CompactionProgress): void
}

type Line = Channel<CoreVocabulary, IndexVocabulary>

interface Running {
  readonly worker: Worker
  readonly line: Line
  readonly exited: Promise<void>
}

export class IndexThread {
  readonly #options: IndexThreadOptions
  #running: Running | undefined
  #stopped = false

  constructor(options: IndexThreadOptions) {
    this.#options = options
  }

  /** The line to it. What is asked on it rejects with serviceUnavailable when the thread ends. Throws shuttingDown. */
  get line(): Pick<Line, 'ask' | 'tell'> {
    if (this.#stopped) throw new DatabaseError('shuttingDown')
    this.#running ??= this.#start()
    return this.#running.line
  }

  /** Undefined while there is no thread. */
  get present(): Pick<Line, 'ask' | 'tell'> | undefined {
    return this.#running?.line
  }

  /** For tests and figures. */
  get worker(): Worker | undefined {
    return this.#running?.worker
  }

  #start(): Running {
    const { settings, log, onProgress, onCompaction } = this.#options
    const { port1, port2 } = new MessageChannel()
    const start: IndexThreadStart = { port: port2, settings: settings.values() }
    const worker = new Worker(PROGRAM, {
      workerData: start,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(settings.get('workerMemoryBytes') / MEBIBYTE) },
    })
    const line: Line = new Channel<CoreVocabulary, IndexVocabulary>({
      port: port1,
      handlers: {},
      listeners: {
        log: ({ level, message, fields }) => log[level](message, fields),
        building: ({ path, progress }) => onProgress(path, progress),
        compacting: ({ path, progress }) => onCompaction(path, progress),
      },
    })
    const unsubscribe = settings.onAny((name) => line.tell('setting', { name, value: settings.get(name) }))
    worker.on('error', (error) =>
      log.error('the thread that builds indexes failed', { reason: describeError(error) }),
    )
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        unsubscribe()
        this.#running = undefined
        line.end(new DatabaseError('serviceUnavailable', 'The thread that builds indexes has ended.'))
        resolve()
      })
    })
    return { worker, line, exited }
  }

  /** Ends builds where they are. Resolves when the thread has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    const running = this.#running
    if (running === undefined) return
    const cancel = this.#options.clock.after(STOP_GRACE_MS, () => void running.worker.terminate())
    // One that ends before it answers has stopped too.
    await running.line.ask('stop', undefined).catch(() => undefined)
    await running.exited
    cancel()
  }
}
