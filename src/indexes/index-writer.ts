/**
 * The indexes that this thread writes. What holds:
 * - A file is opened once, however many ask, and is used by one build, or by one compaction beside it, at a time.
 * - Files stay open while they are used, and the last ones that were used beyond that, up to a number; so do databases.
 * - What is asked of one index goes wrong for that one alone.
 */
import {
  CompactionCancelled,
  compact,
  type PageCache,
  StorageError,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { restIfDue } from '../base/rest.ts'
import { giveWay } from '../base/time-slice.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { SharedDatabase } from '../database/api/remote-writer.ts'
import type { FollowedDatabase } from '../database/shared/followed-database.ts'
import { type Failure, ScriptError } from '../scripting/script-error.ts'
import type { Scripting } from '../scripting/scripting.ts'
import { fillBytesOf, seldomTold } from '../workers/compaction-steps.ts'
import { JobControl, STOP, WHOLE_SHARE } from '../workers/control.ts'
import { Pacer } from '../workers/pacer.ts'
import { IndexOutdated } from './batch.ts'
import { type BuildProgress, build } from './build.ts'
import { forgetSpareMemory } from './build-memory.ts'
import { IndexFile, isUnusable, removeIndexFile } from './index-file.ts'
import { IDS_TREE, META_TREE, treeOptionsOf } from './index-trees.ts'
import { KeptOpen } from './kept-open.ts'
import type { CompactionProgress, IndexCalls, IndexPlace, IndexSizes, OpenedIndex } from './protocol.ts'
import { rowMakerOf } from './row-maker.ts'

export interface IndexWriterOptions {
  readonly cache: PageCache
  readonly scripting: Scripting
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
  readonly mostFiles: number
  readonly mostDatabases: number
  follow(shared: SharedDatabase): Promise<FollowedDatabase>
  /** Of compactions: how fast they may be. */
  readonly settings: Pick<SettingsRegistry, 'get'>
  onProgress(path: string, progress: BuildProgress): void
  onCompaction(path: string, progress: CompactionProgress): void
}

const COMPACTION = 'compaction'
const COMPACTION_FILL_BYTES = 256 * 1024
const CANCELLED = 'the work on the index was cancelled'
const FILE_IDLE_MS = 300_000
/** A database that was compacted takes room on the disk as long as its old file is open. */
const DATABASE_IDLE_MS = 10_000
/** Memory that builds use again. */
const SPARE_MEMORY_IDLE_MS = 10_000
/** A build that fails for what is in its file is tried again with another one. */
const MOST_ATTEMPTS = 3

/** The file of a build was removed. */
class Discarded extends Error {}

export class IndexWriter {
  readonly #options: IndexWriterOptions
  readonly #files: KeptOpen<IndexFile>
  readonly #databases: KeptOpen<FollowedDatabase>
  /** By path: what ends the build, or the compaction. */
  readonly #running = new Map<string, AbortController>()
  #cancelForgetting: () => void = () => {}

  constructor(options: IndexWriterOptions) {
    const { mostFiles, mostDatabases, clock, log } = options
    this.#options = options
    const onFailure = (error: unknown): void =>
      log.warning('an index or its database did not close cleanly', { reason: describeError(error) })
    this.#files = new KeptOpen({ most: mostFiles, idleMs: FILE_IDLE_MS, clock, onFailure })
    this.#databases = new KeptOpen({ most: mostDatabases, idleMs: DATABASE_IDLE_MS, clock, onFailure })
  }

  async open(place: IndexPlace): Promise<OpenedIndex> {
    return this.#withFile(place, async (file) => openedOf(file))
  }

  #withFile<T>(place: IndexPlace, use: (file: IndexFile) => Promise<T>): Promise<T> {
    const { cache, clock, random, log } = this.#options
    return this.#files.use(place.path, () => IndexFile.open({ ...place, cache, clock, random, log }), use)
  }

  /** Brings an index up to its database. Resolves with the failure of a map where one ends that. */
  async build(place: IndexPlace & { shared: SharedDatabase }): Promise<IndexCalls['build']['result']> {
    for (let attempt = 1; ; attempt++) {
      const running = new AbortController()
      this.#running.set(place.path, running)
      try {
        return { opened: await this.#build(place, running.signal) }
      } catch (error) {
        if (running.signal.aborted && !(running.signal.reason instanceof Discarded))
          throw running.signal.reason
        if (error instanceof ScriptError && !running.signal.aborted) return { failure: failureOf(error) }
        if (attempt === MOST_ATTEMPTS || !(await this.#isWorthAnother(place.path, error))) throw error
      } finally {
        if (this.#running.get(place.path) === running) this.#running.delete(place.path)
        this.#forgetSpareMemoryLater()
      }
    }
  }

  #forgetSpareMemoryLater(): void {
    this.#cancelForgetting()
    this.#cancelForgetting = this.#options.clock.after(SPARE_MEMORY_IDLE_MS, forgetSpareMemory)
  }

  /** Whether a build that failed may be tried again, with a file that was made anew. */
  async #isWorthAnother(path: string, error: unknown): Promise<boolean> {
    if (error instanceof Discarded) return true
    if (error instanceof IndexOutdated || isUnusable(error)) {
      this.#options.log.warning('an index is built anew', { path, reason: describeError(error) })
      this.cancel(path, COMPACTION)
      await this.#remove(path)
      return true
    }
    // A file that takes no more writes does so again when it is opened again.
    if (error instanceof StorageError) await this.#files.close((each) => each === path)
    return false
  }

  #build(place: IndexPlace & { shared: SharedDatabase }, signal: AbortSignal): Promise<OpenedIndex> {
    const { definition, shared, path } = place
    const { scripting, onProgress } = this.#options
    return this.#withDatabase(shared, (database) =>
      this.#withFile(place, async (file) => {
        restIfDue()
        await build({
          database,
          definition,
          file,
          maker: rowMakerOf(definition, scripting, shared.name),
          signal,
          onProgress: (progress) => onProgress(path, progress),
        })
        return openedOf(file)
      }),
    )
  }

  /** One that was closed by its writer meanwhile is opened anew. */
  async #withDatabase<T>(
    shared: SharedDatabase,
    use: (database: FollowedDatabase) => Promise<T>,
  ): Promise<T> {
    const key = shared.record.uuid
    const open = (): Promise<FollowedDatabase> => this.#options.follow(shared)
    return this.#databases.use(key, open, async (database) => {
      try {
        await database.refresh()
      } catch {
        this.#databases.replace(key, database)
        return this.#databases.use(key, open, use)
      }
      restIfDue()
      return use(database)
    })
  }

  /** Resolves when the file has the name that holds what is needed alone. */
  async compact(place: IndexPlace): Promise<void> {
    const running = new AbortController()
    const key = `${COMPACTION} ${place.path}`
    this.#running.set(key, running)
    const { clock, random, cache, settings, onCompaction } = this.#options
    const control = new JobControl()
    running.signal.addEventListener('abort', () => (control.stop = STOP.discard))
    const nowMs = (): number => clock.monotonic()
    const bytesPerSecond = settings.get('compactionBytesPerSecond')
    const pacer = new Pacer(control, bytesPerSecond, nowMs)
    try {
      await this.#withFile(place, (file) =>
        file.replacing(async () => {
          const source = new StoreCompactionSource(file.store)
          try {
            await compact(source, {
              trees: treeOptionsOf(place.definition),
              clock,
              random,
              cache,
              fillBytes: fillBytesOf(bytesPerSecond, COMPACTION_FILL_BYTES),
              onProgress: seldomTold(
                ({ changesDone, totalChanges, bytesDone, bytesTotal }) =>
                  onCompaction(place.path, { changesDone, totalChanges, bytesDone, bytesTotal }),
                nowMs,
              ),
              pace: async (bytes) => {
                if (running.signal.aborted) throw new CompactionCancelled(false)
                control.share = settings.get('compactionSharePercent') * (WHOLE_SHARE / 100)
                await pacer.pause(bytes)
                restIfDue()
                await giveWay()
              },
            })
          } finally {
            await source.end()
          }
        }),
      )
    } finally {
      this.#running.delete(key)
    }
  }

  sizes(place: IndexPlace): Promise<IndexSizes> {
    return this.#withFile(place, async ({ store, state }) => {
      const snapshot = store.snapshot()
      try {
        let activeBytes = 0
        let externalBytes = 0
        for (const name of Object.keys(store.stats().trees)) {
          const { bytes } = snapshot.tree(name).reduce()
          activeBytes += bytes
          if (name !== IDS_TREE && name !== META_TREE) externalBytes += bytes
        }
        const { updateSeq, purgeSeq } = state
        return { updateSeq, purgeSeq, fileBytes: store.fileBytes, activeBytes, externalBytes }
      } finally {
        snapshot.close()
      }
    })
  }

  /** Ends the build, or the compaction. */
  cancel(path: string, what: 'build' | typeof COMPACTION = 'build', reason = new Error(CANCELLED)): void {
    this.#running.get(what === 'build' ? path : `${COMPACTION} ${path}`)?.abort(reason)
  }

  /** Closes files and removes them, with the work on them. */
  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      this.#cancelAll(path, new Error(CANCELLED))
      await this.#remove(path)
    }
  }

  /** Closes a file and removes it. A build of it begins again. */
  async discard(path: string): Promise<void> {
    this.#cancelAll(path, new Discarded(CANCELLED))
    await this.#remove(path)
  }

  #remove(path: string): Promise<void> {
    return this.#files.whileClosed(path, () => removeIndexFile(path))
  }

  #cancelAll(path: string, reason: Error): void {
    this.cancel(path, 'build', reason)
    this.cancel(path, COMPACTION, reason)
  }

  async close(): Promise<void> {
    this.#cancelForgetting()
    for (const running of this.#running.values()) running.abort(new Error('the server stops'))
    await this.#files.close(() => true)
    await this.#databases.close(() => true)
  }
}

function failureOf({ kind, error, reason }: ScriptError): Failure {
  return { kind, error, reason }
}

function openedOf({ store, state }: IndexFile): OpenedIndex {
  return { progress: store.shareProgress(), updateSeq: state.updateSeq }
}
