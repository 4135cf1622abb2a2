/**
 * Runs replications in a thread of its own. What holds:
 * - The thread is begun with the first replication and ended when there was none for a while.
 * - When it ends otherwise, what ran in it has failed, and may be begun again in another one. While one ends, the next may begin.
 */
import { availableParallelism } from 'node:os'
import { MessageChannel, Worker } from 'node:worker_threads'
import { describeError } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import {
  NO_PROGRESS,
  ReplicationError,
  type ReplicationId,
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationProgress,
  type RunningReplication,
} from '../replication/api.ts'
import { needsFilterCode, replicationId } from '../replication/replication-id.ts'
import type { StoppableRunner } from '../server/replications.ts'
import type { Server } from '../server/server.ts'
import { Channel } from '../workers/channel.ts'
import { FrontService } from './front-service.ts'
import type { RunnerVocabulary, WorkerVocabulary } from './replication-protocol.ts'
import type { ReplicationThreadStart } from './replication-worker.ts'

const PROGRAM = new URL('./replication-thread.js', import.meta.url)
const YOUNG_GENERATION_MB = 12
/** Of the memory for pages, beside what the settings divide among the threads that serve requests. */
const CACHE_SHARE = 8
const LEAST_CACHE_BYTES = 1024 * 1024
const MOST_CACHE_BYTES = 64 * 1024 * 1024
/** Of the databases that may be open. */
const OPEN_SHARE = 4
const LEAST_OPEN = 8
const IDLE_MS = 60_000
/** To end what runs, and to be gone then. */
const END_MS = 15_000

interface Entry {
  progress: ReplicationProgress
  onStarted: () => void
  onEnded: (outcome: ReplicationOutcome) => void
  isStopped: boolean
  /** Where it runs. */
  thread: Promise<Thread> | undefined
}

interface Thread {
  readonly line: Channel<RunnerVocabulary, WorkerVocabulary>
  readonly exited: Promise<void>
  terminate(): void
}

export class ThreadRunner implements StoppableRunner {
  readonly #server: Server
  readonly #version: string
  readonly #entries = new Map<number, Entry>()
  #lastKey = 0
  #thread: Promise<Thread> | undefined
  readonly #ending = new Set<Promise<void>>()
  #cancelIdle: (() => void) | undefined
  #isStopped = false

  constructor(server: Server, version: string) {
    this.#server = server
    this.#version = version
  }

  async idOf(job: ReplicationJob): Promise<ReplicationId> {
    if (!needsFilterCode(job)) return replicationId(job, { uuid: this.#server.uuid })
    try {
      const { line } = await this.#running()
      const answer = await line.ask('idOf', { job })
      if ('failure' in answer) throw new ReplicationError(answer.failure)
      return answer.id
    } finally {
      this.#restIfIdle()
    }
  }

  start(job: ReplicationJob, id: ReplicationId): RunningReplication {
    this.#lastKey += 1
    const key = this.#lastKey
    let onStarted = (): void => {}
    let onEnded = (_outcome: ReplicationOutcome): void => {}
    const started = new Promise<void>((resolve) => {
      onStarted = resolve
    })
    const ended = new Promise<ReplicationOutcome>((resolve) => {
      onEnded = resolve
    })
    const entry: Entry = { progress: NO_PROGRESS, onStarted, onEnded, isStopped: false, thread: undefined }
    this.#entries.set(key, entry)
    void this.#begin(key, entry, job, id)
    return {
      id,
      started,
      ended,
      progress: () => entry.progress,
      stop: () => {
        entry.isStopped = true
        void this.#stopOne(key, entry)
        return ended
      },
    }
  }

  async #begin(key: number, entry: Entry, job: ReplicationJob, id: ReplicationId): Promise<void> {
    try {
      entry.thread = this.#running()
      const { line } = await entry.thread
      if (entry.isStopped) this.#end(key, { kind: 'stopped', progress: NO_PROGRESS })
      else await line.ask('start', { key, job, id })
    } catch {
      this.#end(key, lost(entry))
    }
  }

  async #stopOne(key: number, entry: Entry): Promise<void> {
    try {
      await (await entry.thread)?.line.ask('stop', { key })
    } catch {
      this.#end(key, lost(entry))
    }
  }

  #end(key: number, outcome: ReplicationOutcome): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    entry.progress = outcome.progress
    entry.onStarted()
    entry.onEnded(outcome)
    this.#restIfIdle()
  }

  /** Ends all, and the thread. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelIdle?.()
    this.#endThread()
    await Promise.all(this.#ending)
  }

  #endThread(): void {
    const begun = this.#thread
    if (begun === undefined) return
    // What begins meanwhile is not for one that takes nothing any more.
    this.#thread = undefined
    const ended = this.#endOne(begun).finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }

  async #endOne(begun: Promise<Thread>): Promise<void> {
    const thread = await begun.catch(() => undefined)
    if (thread === undefined) return
    const cancel = this.#server.clock.after(END_MS, () => thread.terminate())
    await thread.line.ask('end', undefined).catch(() => undefined)
    thread.terminate()
    await thread.exited
    cancel()
  }

  #restIfIdle(): void {
    if (this.#entries.size > 0 || this.#isStopped || this.#thread === undefined) return
    this.#cancelIdle?.()
    this.#cancelIdle = this.#server.clock.after(IDLE_MS, () => {
      if (this.#entries.size === 0) this.#endThread()
    })
  }

  /** Throws where the server stops. */
  #running(): Promise<Thread> {
    this.#cancelIdle?.()
    if (this.#isStopped) return Promise.reject(new Error('the server stops'))
    if (this.#thread === undefined) {
      const thread = this.#startThread()
      this.#thread = thread
      thread.catch(() => {
        if (this.#thread === thread) this.#thread = undefined
      })
    }
    return this.#thread
  }

  #startThread(): Promise<Thread> {
    const server = this.#server
    const { settings, databases, bus, audience, log } = server
    const core = new MessageChannel()
    const own = new MessageChannel()
    const metrics = new Metrics()
    const start: ReplicationThreadStart = {
      core: core.port2,
      port: own.port2,
      settings: settings.values(),
      cacheBytes: cacheBytesOf(settings.get('cacheBytes')),
      maxOpen: Math.max(LEAST_OPEN, Math.floor(settings.get('maxOpenDatabases') / OPEN_SHARE)),
      scriptThreads: Math.max(1, Math.floor(availableParallelism() / 2)),
      uuid: server.uuid,
      version: this.#version,
      metrics: metrics.buffer,
    }
    const worker = new Worker(PROGRAM, {
      workerData: start,
      transferList: [core.port2, own.port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    const service = new FrontService({ server, port: core.port1, onListening: () => {}, isAttending: true })
    const leave = [
      settings.onAny((name) => service.channel.tell('setting', { name, value: settings.get(name) })),
      databases.onFull(() => service.channel.tell('makeRoom', undefined)),
      bus.on('compacted', (name) => service.channel.tell('compacted', { name })),
      audience.join(() => service.hasHeard()),
      server.node.join({ metrics, measure: () => service.measure(), look: () => service.look() }),
    ]
    const begun = new Promise<Thread>((resolve, reject) => {
      let onExit = (): void => {}
      const exited = new Promise<void>((exit) => {
        onExit = exit
      })
      const line = new Channel<RunnerVocabulary, WorkerVocabulary>({
        port: own.port1,
        handlers: {},
        listeners: {
          ready: () => resolve(thread),
          started: ({ key }) => this.#entries.get(key)?.onStarted(),
          progress: ({ key, progress }) => {
            const entry = this.#entries.get(key)
            if (entry !== undefined) entry.progress = progress
          },
          ended: ({ key, outcome }) => this.#end(key, outcome),
        },
      })
      const thread: Thread = { line, exited, terminate: () => void worker.terminate() }
      worker.on('error', (error) =>
        log.error('the thread that replicates failed', { reason: describeError(error) }),
      )
      worker.once('exit', () => {
        if (this.#thread === begun) this.#thread = undefined
        for (const each of leave) each()
        service.end()
        line.end(new Error('the thread that replicates has ended'))
        for (const [key, entry] of [...this.#entries]) if (entry.thread === begun) this.#end(key, lost(entry))
        reject(new Error('the thread that replicates ended at its start'))
        onExit()
      })
    })
    return begun
  }
}

function cacheBytesOf(all: number): number {
  return Math.min(MOST_CACHE_BYTES, Math.max(LEAST_CACHE_BYTES, Math.floor(all / CACHE_SHARE)))
}

function lost(entry: Entry | undefined): ReplicationOutcome {
  const progress = entry?.progress ?? NO_PROGRESS
  if (entry?.isStopped === true) return { kind: 'stopped', progress }
  const failure = {
    error: 'replication_failed',
    reason: 'The thread that replicates has ended.',
    status: 503,
    isTransient: true,
  }
  return { kind: 'failed', failure, progress }
}
