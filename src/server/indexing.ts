/**
 * The indexes of a server's databases: who builds which, and who waits for that. The thread that does it is
 * `IndexThread`. What holds:
 * - An index is built by one build at a time, however many wait for it; one begins again while somebody waits for more.
 * - No more than a number are built at once: others wait for their turn, in order.
 * - A build holds a lease of its database. When the lease's signal tells it to go it ends where it is.
 * - Who has gone is not waited with, and the build goes on.
 * - Whatever happens to a build, everybody who waits is told.
 */
import type { Clock } from '../base/clock.ts'
import { diskPercentUsed } from '../base/disk-usage.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import { StoredDatabase } from '../database/database.ts'
import type { IndexInfo } from '../indexes/api.ts'
import type { BuildProgress } from '../indexes/build.ts'
import { removeIndexFile } from '../indexes/index-file.ts'
import { IndexThread } from '../indexes/index-thread-handle.ts'
import type { IndexPlace, OpenedIndex } from '../indexes/protocol.ts'
import type { IndexOf, IndexService, Prepared } from '../indexes/service.ts'
import type { Task, TaskOutcome, TaskRegistry } from '../workers/tasks.ts'
import type { EventBus } from './event-bus.ts'
import { IndexFolders } from './index-folders.ts'
import type { Lease } from './open-databases.ts'

/** A build that takes longer is shown among the tasks. */
const TASK_AFTER_MS = 200

export interface IndexingOptions {
  readonly dataDir: string
  lease(name: string): Promise<Lease<OwnedDatabase>>
  hasDatabase(name: string): boolean
  readonly bus: EventBus
  readonly tasks: TaskRegistry
  readonly settings: SettingsRegistry
  readonly clock: Clock
  readonly log: Log
}

interface Waiter {
  readonly untilSeq: number
  settle(outcome: Prepared): void
  reject(error: unknown): void
}

interface Job {
  readonly index: IndexOf
  readonly place: IndexPlace
  readonly waiters: Set<Waiter>
  /** Is built once more although nobody waits. */
  isWanted: boolean
  isCancelled: boolean
  /** Resolves when nobody wants more. */
  ended: Promise<void>
  onProgress: (progress: BuildProgress) => void
}

export class Indexing implements IndexService {
  readonly #options: IndexingOptions
  readonly #thread: IndexThread
  readonly #folders: Promise<IndexFolders>
  /** By path. */
  readonly #jobs = new Map<string, Job>()
  /** Of builds that wait for their turn. */
  readonly #turns: (() => void)[] = []
  /** By path. */
  readonly #compacting = new Map<string, Task>()
  /** Those that are damaged, by path, until they have gone. */
  readonly #discarding = new Map<string, Promise<void>>()
  readonly #unsubscribe: () => void
  #building = 0
  #waiting = 0
  #removing: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(options: IndexingOptions) {
    const { dataDir, hasDatabase, settings, clock, log, bus } = options
    this.#options = options
    this.#thread = new IndexThread({
      settings,
      clock,
      log,
      onProgress: (path, progress) => this.#jobs.get(path)?.onProgress(progress),
      onCompaction: (path, progress) => this.#compacting.get(path)?.update({ phase: 'view', ...progress }),
    })
    this.#folders = IndexFolders.open(dataDir, hasDatabase, log)
    this.#folders.catch((error: unknown) =>
      log.error('the folder of indexes cannot be read', { reason: describeError(error) }),
    )
    this.#unsubscribe = bus.on('deleted', (name) => this.#later(() => this.#deleted(name)))
  }

  /** The thread, for tests and figures. */
  get thread(): Pick<IndexThread, 'worker'> {
    return this.#thread
  }

  /** One after the other. */
  #later(work: () => Promise<void>): void {
    this.#removing = this.#removing
      .then(work)
      .catch((error: unknown) =>
        this.#options.log.warning('indexes that nobody needs stay', { reason: describeError(error) }),
      )
  }

  async #deleted(name: string): Promise<void> {
    const folders = await this.#folders
    for (const uuid of folders.forget(name)) await this.#removeFolder(name, uuid)
  }

  async #removeFolder(name: string, uuid: string): Promise<void> {
    const folders = await this.#folders
    const signatures = await folders.signaturesOf(uuid)
    await this.#thread.present?.ask('remove', { paths: signatures.map((each) => folders.pathOf(uuid, each)) })
    await folders.remove(name, uuid)
  }

  /** Throws noDatabase where the name leads to another incarnation. */
  async #lease({ database: name, uuid }: IndexOf): Promise<{ lease: Lease; database: StoredDatabase }> {
    const lease = await this.#options.lease(name)
    const { database } = lease
    if (database.uuid === uuid && database instanceof StoredDatabase) return { lease, database }
    lease.release()
    throw new DatabaseError('noDatabase')
  }

  async #placeOf({ database, uuid, definition }: IndexOf): Promise<IndexPlace> {
    const folders = await this.#folders
    for (const other of folders.othersOf(database, uuid)) {
      this.#later(() => this.#removeFolder(database, other))
    }
    await folders.make(database, uuid)
    return { path: folders.pathOf(uuid, definition.signature), database: uuid, definition }
  }

  async prepare(
    index: IndexOf,
    untilSeq: number | undefined,
    { signal }: { signal: AbortSignal },
  ): Promise<Prepared> {
    const { lease } = await this.#lease(index)
    try {
      const place = await this.#placeOf(index)
      await this.#discarding.get(place.path)
      signal.throwIfAborted()
      if (untilSeq === undefined) return await this.#thread.line.ask('open', place)
      if (this.#isDiskFull('interactiveIndexingPercent')) return await this.#present(place, untilSeq)
      return await this.#wait(index, place, untilSeq, signal)
    } finally {
      lease.release()
    }
  }

  /** Whether `[disk_monitor]` says that nothing is built now. */
  #isDiskFull(threshold: 'interactiveIndexingPercent' | 'backgroundIndexingPercent'): boolean {
    const { settings, dataDir, clock } = this.#options
    if (!settings.get('diskMonitorEnabled')) return false
    return diskPercentUsed(dataDir, clock) > settings.get(threshold)
  }

  /** The index as it is. Throws insufficientStorage where it is not as new as that. */
  async #present(place: IndexPlace, untilSeq: number): Promise<Prepared> {
    const opened = await this.#thread.line.ask('open', place)
    if (opened.updateSeq >= untilSeq) return opened
    throw new DatabaseError('insufficientStorage', 'The disk is nearly full: no index is built.')
  }

  #wait(index: IndexOf, place: IndexPlace, untilSeq: number, signal: AbortSignal): Promise<Prepared> {
    const most = this.#options.settings.get('mostIndexWaiters')
    if (this.#waiting >= most) {
      throw new DatabaseError('serviceUnavailable', 'Too many requests wait for indexes.')
    }
    const job = this.#job(index, place)
    return new Promise<Prepared>((resolve, reject) => {
      const leave = (): void => {
        if (!job.waiters.delete(waiter)) return
        this.#waiting -= 1
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => waiter.reject(signal.reason)
      const waiter: Waiter = {
        untilSeq,
        settle: (outcome) => {
          leave()
          resolve(outcome)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      job.waiters.add(waiter)
      this.#waiting += 1
    })
  }

  /** The one that runs, or a new one. */
  #job(index: IndexOf, place: IndexPlace): Job {
    const running = this.#jobs.get(place.path)
    if (running !== undefined) return running
    if (this.#stopped) throw new DatabaseError('shuttingDown')
    const job: Job = {
      index,
      place,
      waiters: new Set(),
      isWanted: true,
      isCancelled: false,
      ended: Promise.resolve(),
      onProgress: () => {},
    }
    this.#jobs.set(place.path, job)
    job.ended = this.#run(job)
    return job
  }

  /** Builds until nobody wants more. Never rejects. */
  async #run(job: Job): Promise<void> {
    await this.#takeTurn()
    try {
      while (job.waiters.size > 0 || job.isWanted) {
        job.isWanted = false
        const waiters = [...job.waiters]
        await this.#buildOnce(job, waiters)
      }
    } catch (error) {
      const told = job.isCancelled
        ? new DatabaseError('serviceUnavailable', 'The build of the index was cancelled.')
        : error
      if (job.waiters.size === 0) {
        const { database } = job.index
        this.#options.log.warning('an index was not built', { database, reason: describeError(told) })
      }
      for (const waiter of [...job.waiters]) waiter.reject(told)
    } finally {
      this.#jobs.delete(job.place.path)
      this.#giveTurn()
    }
  }

  async #buildOnce(job: Job, waiters: readonly Waiter[]): Promise<void> {
    const { lease, database } = await this.#lease(job.index)
    const leave = (): void => this.#cancel(job)
    lease.signal.addEventListener('abort', leave, { once: true })
    const shown = this.#showTask(job)
    let outcome: TaskOutcome = 'failed'
    let failure: unknown
    try {
      lease.signal.throwIfAborted()
      const result = await this.#thread.line.ask('build', { ...job.place, shared: database.share() })
      if ('failure' in result) {
        failure = new Error(`${result.failure.error}: ${result.failure.reason}`)
        for (const waiter of [...job.waiters]) waiter.settle(result)
        return
      }
      outcome = 'completed'
      this.#settle(waiters, result.opened)
    } catch (error) {
      if (lease.signal.aborted) throw lease.signal.reason
      if (job.isCancelled) outcome = 'cancelled'
      else failure = error
      throw error
    } finally {
      shown.end(outcome, failure)
      lease.signal.removeEventListener('abort', leave)
      lease.release()
    }
  }

  /** Those who waited when the build began have what they waited for. */
  #settle(waiters: readonly Waiter[], { progress, updateSeq }: OpenedIndex): void {
    for (const waiter of waiters) {
      if (waiter.untilSeq <= updateSeq) waiter.settle({ progress })
      else
        waiter.reject(new DatabaseError('serviceUnavailable', 'The index could not be brought up to date.'))
    }
  }

  #cancel(job: Job): void {
    this.#thread.present?.tell('cancel', { path: job.place.path, what: 'build' })
  }

  #showTask(job: Job): { end(outcome: TaskOutcome, error: unknown): void } {
    const { tasks, clock } = this.#options
    const { database, definition } = job.index
    let task: Task | undefined
    let last: BuildProgress | undefined
    const update = (): void => {
      if (last === undefined) return
      const { changesDone, totalChanges } = last
      task?.update({ phase: 'indexing', changesDone, totalChanges, bytesDone: 0, bytesTotal: 0 })
    }
    job.onProgress = (progress) => {
      last = progress
      update()
    }
    const cancelTimer = clock.after(TASK_AFTER_MS, () => {
      task = tasks.start({
        type: 'indexer',
        database,
        phase: 'indexing',
        designDocument: definition.designDocument,
        cancel: () => {
          job.isCancelled = true
          this.#cancel(job)
        },
      })
      update()
    })
    return {
      end(outcome, error) {
        cancelTimer()
        job.onProgress = () => {}
        task?.end(outcome, error)
      },
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#building < this.#options.settings.get('mostIndexBuilds')) {
      this.#building += 1
      return
    }
    await new Promise<void>((resolve) => this.#turns.push(resolve))
  }

  #giveTurn(): void {
    const next = this.#turns.shift()
    if (next === undefined) this.#building -= 1
    else next()
  }

  buildLater(index: IndexOf): void {
    void this.buildUnasked(index).catch((error: unknown) => {
      const { database } = index
      this.#options.log.warning('an index was not built', { database, reason: describeError(error) })
    })
  }

  /** Builds an index that nobody waits for, if the disk has room. Resolves when that has ended, however it did. */
  async buildUnasked(index: IndexOf): Promise<void> {
    if (this.#isDiskFull('backgroundIndexingPercent')) return
    const { lease } = await this.#lease(index)
    let job: Job
    try {
      job = this.#job(index, await this.#placeOf(index))
      job.isWanted = true
    } finally {
      lease.release()
    }
    await job.ended
  }

  /** Indexes that are built, or wait for their turn. */
  get building(): number {
    return this.#jobs.size
  }

  async info(index: IndexOf): Promise<IndexInfo> {
    const { lease } = await this.#lease(index)
    try {
      const place = await this.#placeOf(index)
      const sizes = await this.#thread.line.ask('sizes', place)
      const job = this.#jobs.get(place.path)
      return {
        ...sizes,
        isBuilding: job !== undefined,
        isCompacting: this.#compacting.has(place.path),
        waiting: job?.waiters.size ?? 0,
      }
    } finally {
      lease.release()
    }
  }

  async compact(index: IndexOf): Promise<void> {
    const { lease } = await this.#lease(index)
    lease.release()
    const place = await this.#placeOf(index)
    if (this.#compacting.has(place.path)) return
    const { line } = this.#thread
    const { tasks, log } = this.#options
    const { database, definition } = index
    let isCancelled = false
    const task = tasks.start({
      type: 'view_compaction',
      database,
      phase: 'view',
      designDocument: definition.designDocument,
      cancel: () => {
        isCancelled = true
        line.tell('cancel', { path: place.path, what: 'compaction' })
      },
    })
    this.#compacting.set(place.path, task)
    line
      .ask('compact', place)
      .then(
        () => task.end('completed'),
        (error: unknown) => {
          if (isCancelled) {
            task.end('cancelled')
            return
          }
          task.end('failed', error)
          log.warning('an index was not compacted', { database, reason: describeError(error) })
        },
      )
      .finally(() => this.#compacting.delete(place.path))
  }

  async cleanUp(database: string, uuid: string, signatures: readonly string[]): Promise<void> {
    const folders = await this.#folders
    const kept = new Set(signatures)
    for (const signature of await folders.signaturesOf(uuid)) {
      if (kept.has(signature)) continue
      const path = folders.pathOf(uuid, signature)
      const { present } = this.#thread
      if (present === undefined) await removeIndexFile(path)
      else await present.ask('remove', { paths: [path] })
    }
    this.#options.log.info('indexes were cleaned up', { database })
  }

  damaged({ database, uuid, definition }: IndexOf): void {
    this.#options.log.error('an index is damaged and is built anew', {
      database,
      signature: definition.signature,
    })
    void this.#folders
      .then((folders) => this.#discard(folders.pathOf(uuid, definition.signature)))
      .catch((error: unknown) =>
        this.#options.log.warning('a damaged index stays', { database, reason: describeError(error) }),
      )
  }

  #discard(path: string): Promise<void> {
    const before = this.#discarding.get(path)
    if (before !== undefined) return before
    const asked = async (): Promise<void> => void (await this.#thread.line.ask('discard', { path }))
    const discarding = asked().finally(() => this.#discarding.delete(path))
    this.#discarding.set(path, discarding)
    return discarding
  }

  /** Ends all builds where they are. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    const reason = new DatabaseError('shuttingDown')
    for (const job of this.#jobs.values()) for (const waiter of [...job.waiters]) waiter.reject(reason)
    await this.#thread.stop()
    await this.#removing
  }
}
