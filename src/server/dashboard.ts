/**
 * What `/_dashboard/` shows, as sections of JSON text by name. What holds:
 * - Nothing is computed while nobody looks; whoever looks within a short time of another gets what that one got.
 * - A section gets a new version when its text changes, so that a look has what is new since the one before and no more.
 * - What a look costs is bounded: of databases, tasks and slow requests so many are told of.
 */
import type { Clock } from '../base/clock.ts'
import { MOST_SLOW_REQUESTS } from '../base/slow-requests.ts'
import type { ThreadLook } from '../base/thread-figures.ts'
import { packageVersion } from '../base/version.ts'
import { FigureWindow } from '../statistics/figure-window.ts'
import type { TaskRegistry } from '../workers/tasks.ts'
import { DashboardDatabases, type DashboardDatabasesOptions } from './dashboard-databases.ts'
import type { NodeService } from './node-service.ts'

/** Looks of many threads within so long share one computation. */
const FRESH_MS = 400
/** Threads are asked and memory is measured that often, since each of them has to be woken for it. */
const THREADS_EVERY_MS = 2000
/** Nobody has looked for so long: what was kept for the next look is dropped. */
const UNWATCHED_MS = 5000
const MOST_TASKS = 50
const MOST_ENDED = 5
/** A loop that is later than that is told of: timers are not more exact. */
const LATE_MS = 3
/** In so large steps are they told: what moves to and fro a little would be sent each time. */
const BUSY_STEP = 0.02
const MEMORY_STEP = 4 * 1024 * 1024
/** What the names of sections of databases begin with. */
const OF_A_DATABASE = 'db:'

/** What has changed. `text` is a JSON object of sections, undefined where none has. */
export interface Look {
  readonly version: number
  readonly text: string | undefined
}

interface Section {
  readonly text: string
  readonly version: number
}

export interface DashboardOptions extends DashboardDatabasesOptions {
  node: Pick<NodeService, 'look' | 'totals'>
  tasks: Pick<TaskRegistry, 'list' | 'history'>
  clock: Clock
}

/** What is there while somebody looks. */
interface Watch {
  readonly window: FigureWindow
  readonly databases: DashboardDatabases
  threadsAtMs: number
}

export class Dashboard {
  readonly #options: DashboardOptions
  readonly #startedMs: number
  readonly #sections = new Map<string, Section>()
  #version = 0
  #watch: Watch | undefined
  #computing: Promise<void> | undefined
  #computedAtMs = Number.NEGATIVE_INFINITY
  /** Of this version, by the one that they begin at. */
  #texts = new Map<number, string>()
  #cancelEnd: () => void = () => {}

  constructor(options: DashboardOptions) {
    this.#options = options
    this.#startedMs = options.clock.now()
  }

  /** What is new since the version of an earlier look; 0: everything. */
  async look(since: number): Promise<Look> {
    const { clock } = this.#options
    if (clock.monotonic() - this.#computedAtMs >= FRESH_MS) {
      this.#computing ??= this.#compute().finally(() => {
        this.#computing = undefined
      })
    }
    await this.#computing
    return { version: this.#version, text: this.#textSince(since) }
  }

  async #compute(): Promise<void> {
    const { clock } = this.#options
    this.#computedAtMs = clock.monotonic()
    this.#cancelEnd()
    this.#cancelEnd = clock.after(UNWATCHED_MS, () => this.#end())
    const watch = this.#begin()
    const { window, databases } = watch
    if (this.#computedAtMs - watch.threadsAtMs >= THREADS_EVERY_MS) {
      watch.threadsAtMs = this.#computedAtMs
      this.#putThreads(await this.#options.node.look())
    }
    window.take(clock.monotonic())
    const rows = await databases.look()
    this.#put('requests', window.requests())
    this.#put('storage', window.storage(clock.now()))
    if (this.#put('databases', { count: databases.count, shown: databases.shown }))
      this.#forgetOthers(databases)
    for (const [name, row] of rows) this.#put(sectionOf(name), row)
    const tasks = this.#options.tasks.list()
    this.#put('tasks', { count: tasks.length, shown: tasks.slice(0, MOST_TASKS) })
    this.#put('ended', this.#options.tasks.history().slice(0, MOST_ENDED))
  }

  #begin(): Watch {
    if (this.#watch !== undefined) return this.#watch
    this.#put('server', { version: packageVersion(), startedMs: this.#startedMs })
    this.#watch = {
      window: new FigureWindow(this.#options.node.totals),
      databases: new DashboardDatabases(this.#options),
      threadsAtMs: Number.NEGATIVE_INFINITY,
    }
    return this.#watch
  }

  #end(): void {
    this.#watch?.databases.close()
    this.#watch = undefined
    this.#sections.clear()
    this.#texts.clear()
  }

  #putThreads(threads: readonly ThreadLook[]): void {
    const most = (of: (thread: ThreadLook) => number): number => Math.max(...threads.map(of))
    const lateMs = Math.round(most(({ lateMs }) => lateMs))
    this.#put('process', {
      threads: threads.length,
      busy: rounded(
        most(({ busy }) => busy),
        BUSY_STEP,
      ),
      lateMs: lateMs < LATE_MS ? 0 : lateMs,
      memory: rounded(process.memoryUsage.rss(), MEMORY_STEP),
      open: this.#options.databases.openCount,
    })
    const slow = threads.flatMap(({ slowRequests }) => slowRequests)
    slow.sort((a, b) => b.durationMs - a.durationMs)
    this.#put('slow', slow.slice(0, MOST_SLOW_REQUESTS))
  }

  #forgetOthers({ shown }: DashboardDatabases): void {
    const names = new Set(shown.map(sectionOf))
    for (const section of this.#sections.keys()) {
      if (section.startsWith(OF_A_DATABASE) && !names.has(section)) this.#sections.delete(section)
    }
  }

  /** Whether it has changed. */
  #put(name: string, value: unknown): boolean {
    const text = JSON.stringify(value)
    if (this.#sections.get(name)?.text === text) return false
    this.#version += 1
    this.#texts.clear()
    this.#sections.set(name, { text, version: this.#version })
    return true
  }

  #textSince(since: number): string | undefined {
    if (since === this.#version) return undefined
    let text = this.#texts.get(since)
    if (text === undefined) {
      const changed = [...this.#sections].filter(([, { version }]) => version > since)
      text = `{${changed.map(([name, section]) => `${JSON.stringify(name)}:${section.text}`).join(',')}}`
      this.#texts.set(since, text)
    }
    return text
  }
}

function rounded(value: number, step: number): number {
  return Number((Math.round(value / step) * step).toPrecision(12))
}

function sectionOf(database: string): string {
  return `${OF_A_DATABASE}${database}`
}
