/** What the server says of itself as a node, and its new start. Figures are those of all threads. */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import {
  type CacheFigures,
  lookAtThread,
  measureThread,
  type ThreadFigures,
  type ThreadLook,
} from '../base/thread-figures.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { DatabaseMap } from '../database/layout/file-map.ts'
import { statisticsAt } from '../statistics/statistics-tree.ts'
import { openFiles, type SystemFigures, systemAnswer, systemFigures } from '../statistics/system-figures.ts'
import { type Figures, Totals } from '../statistics/totals.ts'

/** Longer than the longest step of a thread that is well: one that does not answer is told of without its figures. */
const PATIENCE_MS = 1000

/** A thread that counts beside this one. */
export interface CountingThread {
  readonly metrics: Metrics
  /** Undefined where the thread has nothing to say yet. Rejects when it has ended. */
  measure(): Promise<ThreadFigures | undefined>
  /** The same for who looks on all the time. */
  look(): Promise<ThreadLook | undefined>
}

export interface NodeServiceOptions {
  metrics: Metrics
  cache: CacheFigures
  clock: Clock
  settings: SettingsRegistry
  openDatabases: () => number
  /** Events of databases that are not written yet. */
  pendingEvents: () => number
  hashing: () => number
  compacting: () => number
  fileMap: (name: string) => Promise<DatabaseMap>
  /** See `restart`. */
  restart: (() => Promise<void>) | undefined
}

export class NodeService {
  readonly #options: NodeServiceOptions
  readonly #startMs: number
  /** What all threads count. */
  readonly totals = new Totals()
  readonly #threads = new Set<CountingThread>()

  constructor(options: NodeServiceOptions) {
    this.#options = options
    this.#startMs = options.clock.monotonic()
    this.totals.add(options.metrics)
  }

  /** Returns what is to be called when the thread has ended. */
  join(thread: CountingThread): () => void {
    this.#threads.add(thread)
    this.totals.add(thread.metrics)
    return () => {
      this.#threads.delete(thread)
      this.totals.end(thread.metrics)
    }
  }

  /** What `_stats` has at the end of `path`; null for nothing. */
  async statistics(path: readonly string[]): Promise<unknown> {
    await this.#measure()
    return statisticsAt(await this.#figures(), path)
  }

  async system(): Promise<Record<string, unknown>> {
    return systemAnswer(await this.#system())
  }

  /** In Prometheus' text format. */
  async metricsPage(): Promise<string> {
    // What makes it takes memory: it is loaded for whoever asks.
    const { prometheusPage } = await import('../statistics/prometheus-page.ts')
    const system = await this.#system()
    return prometheusPage(await this.#figures(), system)
  }

  /** Compactions that run and that wait, as `_smoosh` tells of them. */
  compactions(): { active: number; waiting: number; starting: number } {
    return { active: this.#options.compacting(), waiting: 0, starting: 0 }
  }

  /**
   * Where in a database's file lies what, of now or of when the file was a little shorter: made in a thread of its own, one map
   * at a time. Throws noDatabase, mapsBusy, and what leasing a database throws.
   */
  fileMap(name: string): Promise<DatabaseMap> {
    return this.#options.fileMap(name)
  }

  /**
   * Starts the server anew, in the same process and on the same port. Resolves when that is sure to happen: it waits for
   * requests that run, that of the caller too. Throws notImplemented where nobody could do it, and badRequest for
   * what is configured by now and makes no sense.
   */
  async restart(): Promise<void> {
    const { restart } = this.#options
    if (restart === undefined)
      throw new DatabaseError('notImplemented', 'nobody is there to start the server anew')
    await restart()
  }

  async #figures(): Promise<Figures> {
    const { clock, settings, openDatabases, pendingEvents } = this.#options
    const files = await openFiles()
    return this.totals.figures(clock.now(), settings.get('statisticsSeconds'), {
      'couchdb.open_databases': openDatabases(),
      'couchdb.open_os_files': files ?? openDatabases(),
      'global_changes.listener_pending_updates': pendingEvents(),
    })
  }

  async #system(): Promise<SystemFigures> {
    const { clock, hashing, compacting } = this.#options
    const threads = await this.#measure()
    return systemFigures({
      uptimeSeconds: Math.floor((clock.monotonic() - this.#startMs) / 1000),
      threads,
      hashing: hashing(),
      compacting: compacting(),
    })
  }

  /** How this thread is, and the others that answer, since the last look; what their caches have counted is counted then. */
  async look(): Promise<ThreadLook[]> {
    const { metrics, cache, clock } = this.#options
    return [lookAtThread(metrics, cache, clock.now()), ...(await this.#ofOthers((thread) => thread.look()))]
  }

  /** Figures of this thread and of the others that answer. */
  async #measure(): Promise<ThreadFigures[]> {
    const { metrics, cache } = this.#options
    return [measureThread(metrics, cache, 0), ...(await this.#ofOthers((thread) => thread.measure()))]
  }

  async #ofOthers<T>(ask: (thread: CountingThread) => Promise<T | undefined>): Promise<T[]> {
    const others = await Promise.all([...this.#threads].map((thread) => this.#patiently(ask(thread))))
    return others.filter((answer): answer is Awaited<T> & T => answer !== undefined)
  }

  #patiently<T>(asking: Promise<T | undefined>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(PATIENCE_MS, () => resolve(undefined))
      const done = (answer: T | undefined): void => {
        cancel()
        resolve(answer)
      }
      asking.then(done, () => done(undefined))
    })
  }
}
