/**
 * A compaction: everything that a database holds now goes into a new file, which then takes the name of the old
 * one. The function runs anywhere, in a worker or beside the store; what it needs of the open store it asks of
 * `CompactionSource`. Phases:
 * - `document_copy`, `docid_copy`, `tree_copy`: the trees as of one commit, see compaction-copy.ts. What is not
 *   reached from them, bodies of revisions that are no leaves and abandoned attachments, stays behind.
 * - `catch_up`: the old file's log since that commit, in stretches. It always ends: while the distance does not
 *   shrink enough from one round to the next, the writer is slowed down, twice as much each time.
 * - `swap`: in the writer's turn the rest of the log, which leaves nothing acknowledged out, and the swap.
 * Killed at any moment it goes on from the last mark in the new file; see the engine's new-file.ts.
 */
import {
  COMPACTION_TREE,
  type FileSnapshot,
  type LogPoint,
  NewFile,
  type NewFileOptions,
  nodeFileSystem,
  openSnapshot,
  type Reference,
  removeNewFile,
} from '../../../native-free-btree/index.ts'
import type { Clock } from '../../base/clock.ts'
import {
  CompactionCancelled,
  type CompactionPhase,
  type CompactionProgress,
  type CompactionSource,
} from '../api/compaction.ts'
import { isDiskFull } from '../errors/layer-errors.ts'
import { readSummary, TREES } from '../layout/layout.ts'
import { TREE_OPTIONS } from '../layout/tree-options.ts'
import { EntryCopier } from './copy.ts'

export interface CompactionOptions extends Omit<NewFileOptions, 'trees'> {
  clock: Clock
  onProgress?: ((progress: CompactionProgress) => void) | undefined
  /** Awaited after each piece of work of about `bytes`; throws to end the compaction, which can be resumed. */
  pace?: ((bytes: number) => Promise<void>) | undefined
  /** A mark is made after so many bytes. Default 32 MiB. */
  markBytes?: number | undefined
  /** The writer's turn is asked for when the log that is left is this short. Default 256 KiB. */
  turnBytes?: number | undefined
  /** Most bytes of the log in one stretch. Default 4 MiB. */
  stretchBytes?: number | undefined
}

export interface CompactionResult {
  bytesAfter: number
  /** Of the log that was caught up with. */
  logBytes: number
  resumed: boolean
}

/** Where a mark stands. */
interface State {
  phase: CompactionPhase
  /** Trees that are loaded. */
  loaded: string[]
  /** The last key that was copied of the tree after those, hex. */
  after: string | undefined
  /** Up to here the log is in the new file. */
  log: { position: number; previousHash: string } | undefined
  changesDone: number
}

const startState = (): State => ({
  phase: 'document_copy',
  loaded: [],
  after: undefined,
  log: undefined,
  changesDone: 0,
})

/** Rounds of catching up that may fall short before the writer is slowed down. */
const FREE_ROUNDS = 2
const MOST_DELAY_MS = 1000
/**
 * An attachment that was stored long ago may be named at the last moment. More of them than this are not copied in the
 * writer's turn, which is given back instead, but not for ever.
 */
const TURN_LONG_BYTES = 4 * 1024 * 1024
const MOST_TURNS = 10

/** Compacts. When it resolves the new file has the name, durably. */
export async function compact(
  source: CompactionSource,
  options: CompactionOptions,
): Promise<CompactionResult> {
  const { fileSystem, cache, clock, random, fillBytes } = options
  const given: NewFileOptions = {
    trees: TREE_OPTIONS,
    clock,
    ...defined({ fileSystem, cache, random, fillBytes }),
  }
  const file = await NewFile.open(source.path, source, given)
  let snapshot: FileSnapshot | undefined
  try {
    const handle = file.found?.handle ?? (await source.exportSnapshot())
    snapshot = await openSnapshot(handle, given, file.found?.definitions)
    const run = new Run(source, options, file, snapshot)
    await run.copyTrees()
    await run.catchUp()
    return await run.swap()
  } catch (error) {
    await file.close().catch(() => undefined)
    const isDiscarded = error instanceof CompactionCancelled && !error.keep
    // On a full disk what was begun must not take the room that is missing.
    const isOfUse = !file.isFinished && !isDiscarded && !isDiskFull(error)
    // One that cannot be removed is when the database is opened or compacted; the failure is told, not this one.
    if (!isOfUse) await removeNewFile(fileSystem ?? nodeFileSystem, source.path).catch(() => undefined)
    throw error
  } finally {
    source.slowDown(0)
    await snapshot?.close()
  }
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

class Run {
  readonly #source: CompactionSource
  readonly #options: CompactionOptions
  readonly #file: NewFile
  readonly #snapshot: FileSnapshot
  readonly #copier: EntryCopier
  readonly #state: State
  readonly #resumed: boolean
  readonly #progress: CompactionProgress
  #unmarkedBytes = 0
  #logBytes = 0

  constructor(source: CompactionSource, options: CompactionOptions, file: NewFile, snapshot: FileSnapshot) {
    this.#source = source
    this.#options = options
    this.#file = file
    this.#snapshot = snapshot
    this.#copier = new EntryCopier(snapshot, file)
    this.#resumed = file.found !== undefined
    this.#state = { ...startState(), ...(file.found?.state as State | undefined) }
    this.#progress = {
      phase: this.#state.phase,
      changesDone: this.#state.changesDone,
      totalChanges: this.#treeNames.reduce((sum, name) => sum + snapshot.tree(name).count(), 0),
      bytesDone: file.fileBytes,
      bytesTotal: liveBytes(snapshot),
      resumed: this.#resumed,
    }
  }

  /** `seq`, then `id`, then what may refer to what those have copied, then the rest. */
  get #treeNames(): string[] {
    const first: string[] = [TREES.seq, TREES.id, TREES.attachments]
    const there = this.#snapshot.treeNames.filter((name) => name !== COMPACTION_TREE)
    return [...first.filter((name) => there.includes(name)), ...there.filter((name) => !first.includes(name))]
  }

  #report(): void {
    this.#progress.bytesDone = this.#file.fileBytes
    this.#options.onProgress?.({ ...this.#progress })
  }

  #enter(phase: CompactionPhase): void {
    this.#state.phase = phase
    this.#progress.phase = phase
    this.#report()
  }

  /** After a piece of work. Whatever is done is safe to leave here. */
  async #step(bytes: number, entries: number, paced = true): Promise<void> {
    this.#state.changesDone += entries
    this.#progress.changesDone = this.#state.changesDone
    this.#report()
    this.#unmarkedBytes += bytes
    if (this.#unmarkedBytes >= (this.#options.markBytes ?? 32 * 1024 * 1024)) await this.#mark()
    if (paced) await this.#options.pace?.(bytes)
  }

  /** A long value may take minutes: it is paced, and can be left, on the way. */
  #copyLong(reference: Reference, paced: boolean): Promise<void> {
    return this.#copier.copyLong(reference, async (bytes) => {
      this.#report()
      if (paced) await this.#options.pace?.(bytes)
    })
  }

  async #mark(): Promise<void> {
    await this.#file.mark(this.#snapshot, this.#state, (tx) => this.#copier.saveTable(tx))
    this.#copier.tableSaved()
    this.#unmarkedBytes = 0
  }

  async copyTrees(): Promise<void> {
    for (const name of this.#treeNames) {
      if (this.#state.loaded.includes(name)) continue
      const phases: Record<string, CompactionPhase> = { seq: 'document_copy', id: 'docid_copy' }
      this.#enter(phases[name] ?? 'tree_copy')
      await this.#copyTree(name)
      await this.#file.finishLoad(name)
      this.#state.loaded.push(name)
      this.#state.after = undefined
      await this.#mark()
    }
  }

  async #copyTree(name: string): Promise<void> {
    const { after } = this.#state
    const start = after === undefined ? undefined : Buffer.from(after, 'hex')
    const cursor = this.#snapshot.tree(name).cursor({ start, startInclusive: false })
    for (let there = cursor.next(); there; ) {
      let entries = 0
      let bytes = 0
      const needed = await this.#file.fill((filling) => {
        for (; there && !filling.isFull; there = cursor.next()) {
          const value = cursor.value()
          const needs = this.#copier.needs(name, value)
          if (needs.length > 0) return needs
          const key = cursor.key()
          this.#copier.add(filling, name, key, value)
          this.#state.after = key.toString('hex')
          entries += 1
        }
        bytes = filling.bytes
        return []
      })
      for (const reference of needed) {
        await this.#copyLong(reference, true)
        await this.#step(this.#snapshot.lengthOf(reference), 0, false)
      }
      await this.#step(bytes, entries)
    }
  }

  get #logPoint(): LogPoint {
    const { log } = this.#state
    if (log === undefined) return this.#snapshot.logStart
    return { position: log.position, previousHash: BigInt(`0x${log.previousHash}`) }
  }

  async catchUp(): Promise<void> {
    this.#enter('catch_up')
    const turnBytes = this.#options.turnBytes ?? 256 * 1024
    let before = Number.POSITIVE_INFINITY
    let delayMs = 0
    for (let round = 0; ; round++) {
      const end = await this.#source.durableEnd()
      const distance = end - this.#logPoint.position
      if (distance <= turnBytes) break
      if (round > FREE_ROUNDS && distance > before / 2) {
        delayMs = Math.min(MOST_DELAY_MS, Math.max(1, delayMs * 2))
        this.#source.slowDown(delayMs)
      }
      before = distance
      await this.#follow(end, true)
    }
    // The turn must be short: what the last rounds left in memory is written before it.
    await this.#file.checkpoint()
  }

  /** Brings the new file up to `end` of the old one. */
  async #follow(end: number, paced: boolean): Promise<void> {
    while (this.#logPoint.position < end) {
      const from = this.#logPoint
      const stretch = await this.#snapshot.readLog(from, end, this.#options.stretchBytes ?? 4 * 1024 * 1024)
      const changes = stretch.changes.filter(({ tree }) => tree !== COMPACTION_TREE)
      for (const change of changes) {
        for (const reference of this.#copier.needsOfChange(change)) await this.#copyLong(reference, paced)
      }
      const { position, previousHash } = stretch.next
      this.#state.log = { position, previousHash: previousHash.toString(16) }
      this.#progress.totalChanges += changes.length
      this.#state.changesDone += changes.length
      await this.#file.mark(this.#snapshot, this.#state, (tx) => {
        this.#copier.apply(tx, changes)
        this.#copier.saveTable(tx)
      })
      this.#copier.tableSaved()
      const bytes = position - from.position
      this.#logBytes += bytes
      this.#progress.changesDone = this.#state.changesDone
      this.#report()
      if (paced) await this.#options.pace?.(bytes)
    }
  }

  /**
   * The writer waits from here on, so the end of its log is the end of what was acknowledged. All of it is in the
   * new file and durable there (`finish`) before the file takes the name.
   */
  async swap(): Promise<CompactionResult> {
    this.#enter('swap')
    for (let attempt = 1; ; attempt++) {
      const end = await this.#source.turn()
      try {
        if (attempt === MOST_TURNS || (await this.#longBytes(end)) <= TURN_LONG_BYTES) {
          await this.#follow(end, false)
          await this.#file.finish()
          const bytesAfter = this.#file.fileBytes
          await this.#source.swap(this.#file.path)
          this.#report()
          return { bytesAfter, logBytes: this.#logBytes, resumed: this.#resumed }
        }
      } finally {
        this.#source.giveBack()
      }
      await this.#follow(end, true)
    }
  }

  /** Of the long values that the log up to `end` names and the new file has not. */
  async #longBytes(end: number): Promise<number> {
    if (this.#logPoint.position >= end) return 0
    const { changes } = await this.#snapshot.readLog(this.#logPoint, end, end - this.#logPoint.position)
    const needs = changes
      .filter(({ tree }) => tree !== COMPACTION_TREE)
      .flatMap((change) => this.#copier.needsOfChange(change))
    return needs.reduce((sum, reference) => sum + this.#snapshot.lengthOf(reference), 0)
  }
}

/** About what the new file will hold: bodies and attachments of the leaves, keys and values of all trees. */
function liveBytes(snapshot: FileSnapshot): number {
  const names = snapshot.treeNames.filter((name) => name !== COMPACTION_TREE)
  const trees = names.reduce((sum, name) => sum + snapshot.tree(name).reduce().bytes, 0)
  const documents = names.includes(TREES.id) ? snapshot.tree(TREES.id).reduce().reduction : undefined
  return trees + readSummary(documents).active
}
