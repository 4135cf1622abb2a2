/**
 * Reads a store that another thread writes, by its file and what the writer publishes (log/progress.ts). Invariants:
 * - Each read first takes in the log up to what was published before it began. Commits are published before they are
 *   acknowledged, so it sees all that were acknowledged to anybody.
 * - Reads never wait: a file that has taken the place of this one is opened by `catchUp` alone, and until then reads go on
 *   with the old one up to its end.
 * - Nothing is written, and no lock is held.
 */
import type { EntryPlace, Follower, SharedProgress } from '../api.ts'
import { bytesOf, targetOf, unknownTree } from '../arguments.ts'
import type { Clock } from '../clock.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { giveWay, monotonicMs } from '../disk/system.ts'
import { StorageError } from '../errors.ts'
import type { ProgressFacts, ProgressReader } from '../log/progress.ts'
import { identify } from '../log/recovery.ts'
import { FileReader, NO_WRITER, type WriterStats } from '../store/file-reader.ts'
import { type StoreOptions, spaceOf } from '../store/options.ts'
import type { Tree } from '../tree/tree.ts'
import { FollowedFile, type FollowedOptions } from './followed-file.ts'
import type { FollowedTree } from './followed-tree.ts'
import type { FollowerSnapshot } from './snapshot.ts'

/** A read takes in so much of the log without holding up others noticeably. */
const AT_ONE_GO_BYTES = 256 * 1024
/** With fewer operations than these behind its trees a read finds little to do; it takes some milliseconds. */
const FEW_OPERATIONS = 2000
/** A step of settling. */
const MOVED_AT_ONCE = 200
/** Also where the clock stands still. */
const MOST_STEPS = 50
const SETTLING_MS = 3
/**
 * A compaction's file has its name a moment before the writer says that it is the store's: the sync of the folder lies
 * between. So long is waited for the writer, at first in turns of the event loop.
 */
const OPENING_TURNS = 50
const OPENING_WAITS = 250
const OPENING_WAIT_MS = 20

/** Where a store's file is, and how it is opened. */
export interface FollowedStore {
  shared: SharedProgress
  progress: ProgressReader
  options: StoreOptions
  fileSystem: FileSystem
  clock: Clock
  followed: FollowedOptions
}

/** Opens the store's present file and brings it up to what is durable now. */
export async function openFollowed(store: FollowedStore): Promise<FollowedFile> {
  const { shared, progress } = store
  for (let attempt = 1; attempt <= OPENING_TURNS + OPENING_WAITS; attempt++) {
    const facts = openFacts(progress, shared)
    const file = await store.fileSystem.open(shared.path, 'read')
    let opened: FollowedFile | undefined
    try {
      const { uuid, salt } = await identify(file)
      if (uuid.toString('hex') !== shared.uuid) throw notFound(shared, 'is another store by now')
      if (salt === facts.salt) {
        const space = spaceOf(store.options)
        opened = await FollowedFile.open(file, facts, space, store.followed)
        while (!opened.follow(facts, store.followed.turns.begin(opened))) await giveWay()
        return opened
      }
    } catch (error) {
      await (opened ?? file).close()
      throw error
    }
    await file.close()
    if (attempt <= OPENING_TURNS) await giveWay()
    else await new Promise<void>((resolve) => store.clock.after(OPENING_WAIT_MS, resolve, true))
  }
  throw notFound(shared, 'does not lead to the file that the writer has')
}

/** Throws CLOSED when the writer has closed the store. */
function openFacts(progress: ProgressReader, { path }: SharedProgress): ProgressFacts {
  const { facts } = progress
  if (facts.isClosed) throw new StorageError('CLOSED', 'the writer has closed the store', { path })
  return facts
}

function notFound({ path }: SharedProgress, what: string): StorageError {
  return new StorageError('NOT_FOUND', `${path} ${what}`, { path })
}

export class StoreFollower extends FileReader<FollowedFile, FollowerSnapshot> implements Follower {
  readonly #store: FollowedStore
  /** What the file was brought up to. */
  #taken: ProgressFacts | undefined
  #swapping: Promise<void> | undefined
  #settling: Promise<void> | undefined

  constructor(store: FollowedStore, file: FollowedFile) {
    super(store.shared.path, store.shared.uuid, store.options, store.fileSystem, file)
    this.#store = store
  }

  #facts(): ProgressFacts {
    return openFacts(this.#store.progress, this.#store.shared)
  }

  /** Every read begins so. */
  #takeIn(): void {
    this.assertReadable()
    const facts = this.#facts()
    if (facts === this.#taken) return
    this.current.follow(facts)
    this.#taken = facts
  }

  #tree(name: string): FollowedTree {
    this.#takeIn()
    const tree = this.current.stand.tree(name)
    if (tree === undefined) throw unknownTree(name)
    return tree
  }

  get commit(): number {
    this.#takeIn()
    return this.current.commit
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    const tree = this.#tree(name)
    tree.assertReadable()
    return tree.get(bytesOf('a key', key))
  }

  getInto(name: string, key: Uint8Array, target: Uint8Array): number {
    const tree = this.#tree(name)
    tree.assertReadable()
    return tree.getInto(bytesOf('a key', key), targetOf('a target', target))
  }

  place(name: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean {
    const tree = this.#tree(name)
    tree.assertReadable()
    return tree.place(this.holderOf(bytes, start, end), start, end, into)
  }

  has(name: string, key: Uint8Array): boolean {
    const tree = this.#tree(name)
    tree.assertReadable()
    return tree.has(bytesOf('a key', key))
  }

  version(name: string): number {
    return this.#tree(name).version
  }

  get isFollowing(): boolean {
    return !this.isClosing && !this.#store.progress.facts.isClosed
  }

  get isFresh(): boolean {
    const { facts } = this.#store.progress
    if (this.isClosing || facts.isClosed || facts.file !== this.current.number) return false
    return facts.durableEnd - this.current.position <= AT_ONE_GO_BYTES
  }

  async catchUp(): Promise<void> {
    this.assertOpen()
    const aim = this.#facts()
    for (;;) {
      const facts = this.#facts()
      const file = this.current
      if (facts.file !== file.number) await this.#followSwap()
      else if (file.number !== aim.file || file.position >= aim.durableEnd) return
      else if (file.follow(facts, this.#store.followed.turns.begin(file))) this.#taken = facts
      else await giveWay()
      this.assertOpen()
    }
  }

  settle(): Promise<void> | undefined {
    this.#takeIn()
    if (this.#settling === undefined && this.current.stand.behind <= FEW_OPERATIONS) return undefined
    this.#settling ??= this.#settleInTurns().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  /**
   * Ends however fast others write: what they write meanwhile is not waited for. A tree that cannot be changed fails whoever reads
   * it, and nobody else.
   */
  async #settleInTurns(): Promise<void> {
    let left = this.current.stand.behind
    while (left > 0 && !this.isClosing) {
      const startMs = monotonicMs()
      for (let step = 0; step < MOST_STEPS && monotonicMs() - startMs < SETTLING_MS; step++) {
        let moved: number
        try {
          moved = this.current.stand.moveSome(MOVED_AT_ONCE)
        } catch {
          return
        }
        left -= moved
        if (moved === 0 || left <= 0) return
      }
      await giveWay()
    }
  }

  #followSwap(): Promise<void> {
    this.#swapping ??= this.#openNewFile().finally(() => {
      this.#swapping = undefined
    })
    return this.#swapping
  }

  async #openNewFile(): Promise<void> {
    const file = await openFollowed(this.#store)
    if (this.isClosing) {
      await file.close()
      return
    }
    file.stand.continueVersions(this.current.stand, true)
    this.#taken = undefined
    this.use(file)
  }

  protected show(onClose: (closed: FollowerSnapshot) => void): FollowerSnapshot {
    this.#takeIn()
    return this.current.show(this.current.commit, onClose)
  }

  protected backupEnd(): number {
    const facts = this.#facts()
    // A file that has a successor is not written any more.
    return facts.file === this.current.number ? facts.durableEnd : this.current.file.size()
  }

  protected contents(): { trees: Iterable<Tree>; dirtyBytes: number } {
    this.#takeIn()
    const { stand, dirtyBytes } = this.current
    for (const tree of stand.trees) if (tree.isReadable) stand.moveAll(tree)
    return { trees: stand.trees.map(({ tree }) => tree), dirtyBytes }
  }

  protected writerStats(): WriterStats {
    return NO_WRITER
  }

  protected override async finishWork(): Promise<void> {
    await this.#swapping?.catch(() => undefined)
    await this.#settling?.catch(() => undefined)
  }
}
