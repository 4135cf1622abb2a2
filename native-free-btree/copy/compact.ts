/**
 * A compaction: everything that a store holds now goes into a new file, which then takes the name of the old one. It
 * runs anywhere, in a thread or beside the store: what it needs of the open store it asks of a `CompactionSource`. What
 * entries become on their way is the caller's to say, by a `Rewrite`. Phases:
 * - `copy`: the trees as of one commit, one after the other, bulk-loaded in their own order. What no entry leads to stays
 *   behind.
 * - `catch_up`: the old file's log since that commit, in stretches. It always ends: while the distance does not shrink
 *   enough from one round to the next, the writer is slowed down, twice as much each time.
 * - `swap`: in the writer's turn the rest of the log, which leaves nothing acknowledged out, and the swap.
 * Killed at any moment it goes on from the last mark in the new file; see new-file.ts.
 */
import type { FileSnapshot, LogChange, LogPoint, Reference, Transaction } from '../api.ts'
import { requireFunction, requireMethods, requireObject, requireWhole } from '../arguments.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { isDiskFull } from '../errors.ts'
import { openSnapshot } from '../store/file-snapshot.ts'
import { CompactionCancelled, type CompactionSource } from './compaction-source.ts'
import { COMPACTION_TREE, NewFile, type NewFileOptions, removeNewFile } from './new-file.ts'
import { ReferenceCopies } from './reference-copies.ts'
import { plainRewrite, type Rewrite } from './rewrite.ts'

export interface CompactionProgress {
  phase: 'copy' | 'catch_up' | 'swap'
  /** The tree that is copied. */
  tree: string | undefined
  /** Entries copied and changes caught up with, of those known so far. */
  changesDone: number
  totalChanges: number
  /** Length of the new file, and about what it will be. */
  bytesDone: number
  bytesTotal: number
  /** It goes on from where an earlier one was interrupted. */
  resumed: boolean
}

export interface CompactionOptions extends NewFileOptions {
  /** What entries become; by default they stay as they are. */
  rewrite?: ((snapshot: FileSnapshot, copies: ReferenceCopies) => Rewrite) | undefined
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
  /** Trees that are loaded. */
  loaded: string[]
  /** The last key that was copied of the tree after those, hex. */
  after: string | undefined
  /** Up to here the log is in the new file. */
  log: { position: number; previousHash: string } | undefined
  changesDone: number
}

const startState = (): State => ({ loaded: [], after: undefined, log: undefined, changesDone: 0 })

/** Rounds of catching up that may fall short before the writer is slowed down. */
const FREE_ROUNDS = 2
const MOST_DELAY_MS = 1000
/**
 * A long value that was stored long ago may be named at the last moment. More bytes of them than this are not copied in
 * the writer's turn, which is given back instead, but not for ever.
 */
const TURN_LONG_BYTES = 4 * 1024 * 1024
const MOST_TURNS = 10
const SOURCE_METHODS = ['exportSnapshot', 'durableEnd', 'slowDown', 'turn', 'giveBack', 'swap'] as const

/**
 * Compacts the store of `source`. When it resolves the new file has the name, durably. Rejects with INVALID_ARGUMENT, as
 * the file system does, with DAMAGED where an entry cannot be read, and with what `pace` and the rewrite throw. Then the
 * store is as it was, and what was begun stays to be gone on from, unless the disk is full or `CompactionCancelled` says
 * otherwise.
 */
export async function compact(
  source: CompactionSource,
  options: CompactionOptions,
): Promise<CompactionResult> {
  requireMethods('source', source, SOURCE_METHODS)
  requireObject('options', options)
  for (const name of ['rewrite', 'onProgress', 'pace'] as const) {
    if (options[name] !== undefined) requireFunction(name, options[name])
  }
  for (const name of ['markBytes', 'turnBytes', 'stretchBytes'] as const) {
    if (options[name] !== undefined) requireWhole(name, options[name], name === 'turnBytes' ? 0 : 1)
  }
  const given = defined({
    trees: options.trees,
    clock: options.clock,
    fileSystem: options.fileSystem,
    cache: options.cache,
    random: options.random,
    fillBytes: options.fillBytes,
  })
  const file = await NewFile.open(source.path, source, given)
  let snapshot: FileSnapshot | undefined
  try {
    const handle = file.found?.handle ?? (await source.exportSnapshot())
    snapshot = await openSnapshot(handle, given, file.found?.definitions)
    const copies = new ReferenceCopies(snapshot, file)
    const rewrite = options.rewrite?.(snapshot, copies) ?? plainRewrite(options.trees ?? {})
    const run = new Run(source, options, file, snapshot, copies, rewrite)
    await run.copyTrees()
    await run.catchUp()
    return await run.swap()
  } catch (error) {
    await file.close().catch(() => undefined)
    const isDiscarded = error instanceof CompactionCancelled && !error.keep
    // On a full disk what was begun must not take the room that is missing.
    const isOfUse = !file.isFinished && !isDiscarded && !isDiskFull(error)
    // One that cannot be removed is when the store is opened or compacted; the failure is told, not this one.
    if (!isOfUse) await removeNewFile(given.fileSystem ?? nodeFileSystem, source.path).catch(() => undefined)
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
  readonly #copies: ReferenceCopies
  readonly #rewrite: Rewrite
  readonly #state: State
  readonly #resumed: boolean
  readonly #progress: CompactionProgress
  #unmarkedBytes = 0
  #logBytes = 0

  constructor(
    source: CompactionSource,
    options: CompactionOptions,
    file: NewFile,
    snapshot: FileSnapshot,
    copies: ReferenceCopies,
    rewrite: Rewrite,
  ) {
    this.#source = source
    this.#options = options
    this.#file = file
    this.#snapshot = snapshot
    this.#copies = copies
    this.#rewrite = rewrite
    this.#resumed = file.found !== undefined
    this.#state = { ...startState(), ...(file.found?.state as State | undefined) }
    this.#progress = {
      phase: 'copy',
      tree: undefined,
      changesDone: this.#state.changesDone,
      totalChanges: this.#treeNames.reduce((sum, name) => sum + snapshot.tree(name).count(), 0),
      bytesDone: file.fileBytes,
      bytesTotal: this.#treeBytes + (rewrite.valueBytes ?? 0),
      resumed: this.#resumed,
    }
  }

  /** Those that the rewrite wants first, then the rest. */
  get #treeNames(): string[] {
    const first = this.#rewrite.order ?? []
    const there = this.#snapshot.treeNames.filter((name) => name !== COMPACTION_TREE)
    return [...first.filter((name) => there.includes(name)), ...there.filter((name) => !first.includes(name))]
  }

  get #treeBytes(): number {
    return this.#treeNames.reduce((sum, name) => sum + this.#snapshot.tree(name).reduce().bytes, 0)
  }

  #report(): void {
    this.#progress.bytesDone = this.#file.fileBytes
    this.#options.onProgress?.({ ...this.#progress })
  }

  #enter(phase: CompactionProgress['phase'], tree?: string): void {
    this.#progress.phase = phase
    this.#progress.tree = tree
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
    return this.#copies.copyLong(reference, async (bytes) => {
      this.#report()
      if (paced) await this.#options.pace?.(bytes)
    })
  }

  async #mark(): Promise<void> {
    await this.#file.mark(this.#snapshot, this.#state, (tx) => this.#copies.saveTable(tx))
    this.#copies.tableSaved()
    this.#unmarkedBytes = 0
  }

  async copyTrees(): Promise<void> {
    for (const name of this.#treeNames) {
      if (this.#state.loaded.includes(name)) continue
      this.#enter('copy', name)
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
        let needs: readonly Reference[] = []
        let last: Buffer | undefined
        for (; there && !filling.isFull; there = cursor.next()) {
          const value = cursor.value()
          needs = this.#copies.missing(this.#rewrite.references(name, value))
          if (needs.length > 0) break
          const key = cursor.key()
          const rewritten = this.#rewrite.entry(filling, name, key, value)
          if (rewritten !== undefined) filling.add(name, key, rewritten)
          last = key
          entries += 1
        }
        bytes = filling.bytes
        if (last !== undefined) this.#state.after = last.toString('hex')
        return needs
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
        for (const reference of this.#needsOfChange(change)) await this.#copyLong(reference, paced)
      }
      const { position, previousHash } = stretch.next
      this.#state.log = { position, previousHash: previousHash.toString(16) }
      this.#progress.totalChanges += changes.length
      this.#state.changesDone += changes.length
      await this.#file.mark(this.#snapshot, this.#state, (tx) => {
        this.#apply(tx, changes)
        this.#copies.saveTable(tx)
      })
      this.#copies.tableSaved()
      const bytes = position - from.position
      this.#logBytes += bytes
      this.#progress.changesDone = this.#state.changesDone
      this.#report()
      if (paced) await this.#options.pace?.(bytes)
    }
  }

  #needsOfChange({ tree, key, value }: LogChange): readonly Reference[] {
    if (value === undefined) return []
    return this.#copies.missing(this.#rewrite.changedReferences(tree, key, value()))
  }

  /** All changes of one stretch, in one transaction: tree by tree, in the order of `changeOrder`. */
  #apply(tx: Transaction, changes: readonly LogChange[]): void {
    const first = this.#rewrite.changeOrder ?? []
    const rank = ({ tree }: LogChange): number => (first.includes(tree) ? first.indexOf(tree) : first.length)
    for (const { tree, key, value } of [...changes].sort((a, b) => rank(a) - rank(b))) {
      const rewritten = value === undefined ? undefined : this.#rewrite.change(tx, tree, key, value())
      if (rewritten === undefined) tx.delete(tree, key)
      else tx.put(tree, key, rewritten)
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
      .flatMap((change) => this.#needsOfChange(change))
    return needs.reduce((sum, reference) => sum + this.#snapshot.lengthOf(reference), 0)
  }
}
