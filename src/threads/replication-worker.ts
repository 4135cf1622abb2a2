/**
 * The thread that replicates, where other threads than the core take requests: it reads databases as a front does, by following them,
 * and what it writes is made ready here and written by the core. It takes no requests, so that neither they nor replications wait for
 * each other's turns.
 */
import type { MessagePort } from 'node:worker_threads'
import { PageCache } from '../../native-free-btree/index.ts'
import { SERVER_ITSELF } from '../auth/hash-queue.ts'
import { systemClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { systemRandom } from '../base/random.ts'
import { lookAtThread, measureThread } from '../base/thread-figures.ts'
import { SettingsRegistry } from '../config/registry.ts'
import type { Settings } from '../config/settings.ts'
import { openFollowed } from '../database/shared/open-followed.ts'
import { DesignDocuments } from '../design/design-documents.ts'
import { scriptingOf } from '../design/scripting-of.ts'
import { ReplicationError, type RunningReplication } from '../replication/api.ts'
import { Connections } from '../replication/http/connections.ts'
import { LocalRunner } from '../replication/runner.ts'
import { Channel } from '../workers/channel.ts'
import type { CoreVocabulary, FrontVocabulary } from './front-channel.ts'
import { FrontDatabases } from './front-databases.ts'
import { threadLog } from './log-batch.ts'
import { remoteWriter } from './remote-writer.ts'
import type { RunnerVocabulary, WorkerVocabulary } from './replication-protocol.ts'

/** What the thread is started with. */
export interface ReplicationThreadStart {
  /** The line that every front has. */
  readonly core: MessagePort
  /** The line of replication-protocol.ts. */
  readonly port: MessagePort
  readonly settings: Settings
  readonly cacheBytes: number
  readonly maxOpen: number
  readonly scriptThreads: number
  readonly uuid: string
  readonly version: string
  /** Memory of `Metrics`, of its own. */
  readonly metrics: SharedArrayBuffer
}

/** Progress is told so often at most. */
const TELL_EVERY_MS = 500

/** Runs until the core ends the thread. */
export function runReplications(start: ReplicationThreadStart): void {
  new ReplicationWorker(start)
}

class ReplicationWorker {
  readonly #core: Channel<FrontVocabulary, CoreVocabulary>
  readonly #line: Channel<WorkerVocabulary, RunnerVocabulary>
  readonly #databases: FrontDatabases
  readonly #settings: SettingsRegistry
  readonly #log: Log
  readonly #flushLog: () => void
  readonly #cache: PageCache
  readonly #metrics: Metrics
  readonly #designs: DesignDocuments
  readonly #runner: LocalRunner
  readonly #running = new Map<number, RunningReplication>()
  /** Those whose progress is to be told. */
  readonly #dirty = new Set<number>()
  #isTelling = false

  constructor(start: ReplicationThreadStart) {
    this.#cache = new PageCache(start.cacheBytes)
    this.#metrics = new Metrics(start.metrics)
    this.#core = new Channel({
      port: start.core,
      handlers: {
        hasHeard: () => undefined,
        measure: () => measureThread(this.#metrics, this.#cache, this.#core.waiting),
        look: () => lookAtThread(this.#metrics, this.#cache, systemClock.now()),
      },
      listeners: {
        retire: ({ handle, kind }) => this.#databases.retire(handle, kind),
        changed: ({ name }) => this.#databases.changed(name),
        deleted: ({ name }) => this.#databases.deleted(name),
        compacted: ({ name }) => void this.#databases.compacted(name),
        makeRoom: () => this.#databases.makeRoom(),
        setting: ({ name, value }) => this.#settings.put(name, value as never),
        // Of those who take requests.
        eventsChanged: () => {},
        administrators: () => {},
        certificate: () => {},
        stop: () => {},
      },
    })
    const { log, setLevel, flush } = threadLog(start.settings.logLevel, this.#metrics, (lines) =>
      this.#core.tell('log', { lines }),
    )
    this.#log = log
    this.#flushLog = flush
    this.#settings = new SettingsRegistry(start.settings, this.#log)
    this.#settings.subscribe('logLevel', setLevel)
    this.#designs = new DesignDocuments(
      scriptingOf(this.#settings, { clock: systemClock, log: this.#log, threads: start.scriptThreads }),
    )
    this.#databases = new FrontDatabases({
      core: this.#core,
      maxOpen: start.maxOpen,
      clock: systemClock,
      log: this.#log,
      follow: ({ handle, shared }, onClosed) =>
        openFollowed(shared, remoteWriter(this.#core, handle), {
          cache: this.#cache,
          clock: systemClock,
          metrics: this.#metrics,
          compression: () => this.#settings.get('fileCompression'),
          onClosed,
        }),
    })
    this.#runner = new LocalRunner({
      databases: this.#databases,
      designs: this.#designs,
      metrics: this.#metrics,
      clock: systemClock,
      random: systemRandom,
      hasher: {
        hash: (password, iterations) =>
          this.#core.ask('hashPassword', {
            password,
            salt: undefined,
            iterations,
            address: SERVER_ITSELF.address,
          }),
      },
      settings: this.#settings,
      log: this.#log,
      connections: new Connections(),
      uuid: start.uuid,
      version: start.version,
    })
    this.#line = new Channel<WorkerVocabulary, RunnerVocabulary>({
      port: start.port,
      handlers: {
        idOf: async ({ job }) => {
          try {
            return { id: await this.#runner.idOf(job) }
          } catch (error) {
            if (!(error instanceof ReplicationError)) throw error
            const { error: name, reason, status, isTransient } = error
            return { failure: { error: name, reason, status, isTransient } }
          }
        },
        start: ({ key, job, id }) =>
          this.#start(
            key,
            this.#runner.start(job, id, () => this.#tellSoon(key)),
          ),
        stop: ({ key }) => void this.#running.get(key)?.stop(),
        end: () => this.#end(),
      },
      listeners: {},
    })
    this.#line.tell('ready', undefined)
  }

  #start(key: number, running: RunningReplication): undefined {
    this.#running.set(key, running)
    void running.started.then(() => this.#line.tell('started', { key }))
    void running.ended.then((outcome) => {
      this.#running.delete(key)
      this.#dirty.delete(key)
      this.#line.tell('ended', { key, outcome })
    })
  }

  #tellSoon(key: number): void {
    this.#dirty.add(key)
    if (this.#isTelling) return
    this.#isTelling = true
    systemClock.after(TELL_EVERY_MS, () => {
      this.#isTelling = false
      for (const each of this.#dirty) {
        const running = this.#running.get(each)
        if (running !== undefined) this.#line.tell('progress', { key: each, progress: running.progress() })
      }
      this.#dirty.clear()
    })
  }

  async #end(): Promise<undefined> {
    await this.#runner.stop()
    await this.#designs.scripting.close()
    await this.#databases.stop(0)
    this.#flushLog()
  }
}
