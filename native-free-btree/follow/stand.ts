/**
 * What a file holds at one point of its log: the trees of a checkpoint and, by tree, what the log did since. Invariants:
 * - It stands between two whole groups, and shows whole commits: a transaction in parts counts when its commit has come.
 * - Groups are verified and chained as recovery does it. A group that does not verify is met again by the next read; where a
 *   verified group could not be taken in, nothing is read here any more.
 * - Snapshots are kept in the order of their opening, which is that of their commits. A tree is moved on past what one of
 *   them wants to see only when that one has its root.
 */
import type { TreeOptions } from '../api.ts'
import type { PageCache } from '../cache/page-cache.ts'
import { StorageError } from '../errors.ts'
import { type CheckpointPointer, NO_CHECKPOINT } from '../log/group.ts'
import { Replay } from '../log/replay.ts'
import { GroupChain, GroupReader, type WalkState } from '../log/walk.ts'
import { assertSame, definitionOf, replayOf } from '../store/load.ts'
import type { OpenFile } from '../store/open-file.ts'
import { OpenList } from '../store/open-list.ts'
import type { TreeDefinition } from '../tree/definition.ts'
import type { Root } from '../tree/shares.ts'
import { Tree } from '../tree/tree.ts'
import type { CheckpointRecord } from '../write/checkpoint.ts'
import { Ledger } from '../write/ledger.ts'
import { FollowedTree } from './followed-tree.ts'

/** Of a tree that the caller named and the log has not: no record has it. */
const NO_ID = 0

/** A snapshot, as a stand knows it. */
export interface Viewer {
  /** Takes a root of the tree as of its commit, unless it has one. */
  settle(tree: FollowedTree): void
  /** The number of the operation before which it wants to see the tree; undefined when it has its root. */
  wanted(tree: FollowedTree): number | undefined
}

/** The point that a stand starts from. */
export interface StandStart {
  checkpoint: CheckpointPointer
  record: CheckpointRecord | undefined
  log: WalkState
}

/** Where the log is read from by whoever starts from a checkpoint. */
export function startOf(checkpoint: CheckpointPointer, record: CheckpointRecord): StandStart {
  return { checkpoint, record, log: replayOf(checkpoint, record) }
}

export class Stand {
  readonly checkpoint: CheckpointPointer
  readonly viewers = new OpenList<Viewer>()
  readonly ledger: Ledger
  readonly #file: OpenFile
  readonly #options: Readonly<Record<string, TreeOptions>>
  readonly #byId = new Map<number, FollowedTree>()
  readonly #reader: GroupReader
  readonly #replay: Replay
  readonly #chain: GroupChain
  /** Never changed: a tree more makes another list. */
  #trees: readonly FollowedTree[] = []
  #broken: unknown

  constructor(
    file: OpenFile,
    start: StandStart,
    options: Readonly<Record<string, TreeOptions>>,
    cache: PageCache,
  ) {
    this.checkpoint = start.record === undefined ? NO_CHECKPOINT : start.checkpoint
    this.ledger = new Ledger(cache)
    this.#file = file
    this.#options = options
    this.#reader = new GroupReader(file.file, file.salt)
    this.#chain = new GroupChain(start.log)
    this.#replay = new Replay({
      define: (definition) => this.#define(definition, undefined),
      treeById: (id) => this.#byId.get(id),
    })
    for (const { definition, root } of start.record?.trees ?? []) this.#define(definition, root)
    for (const [name, given] of Object.entries(options)) {
      if (this.tree(name) === undefined) this.#add(definitionOf(NO_ID, name, given), given, undefined)
    }
  }

  /** Behind the last group that was read. */
  get position(): number {
    return this.#chain.state.position
  }

  /** Number of the last commit that was taken in, as the file counts. */
  get commit(): number {
    return this.#chain.state.commit
  }

  get trees(): readonly FollowedTree[] {
    return this.#trees
  }

  tree(name: string): FollowedTree | undefined {
    return this.#trees.find((tree) => tree.name === name)
  }

  /** Reads on to `limit`, where a durable group ends, or until `isOver` says so behind a group. Throws DAMAGED. */
  read(limit: number, isOver?: () => boolean): void {
    if (this.#broken !== undefined) throw this.#broken
    const reader = this.#reader
    const chain = this.#chain
    try {
      while (chain.state.position < limit) {
        const { position } = chain.state
        const group = reader.atSync(position, limit)
        if (group === undefined || !chain.take(group.header)) throw damaged(position, limit)
        try {
          this.#replay.group(group.header, group.payload)
        } catch (error) {
          this.#broken = error
          throw error
        }
        if (isOver?.() === true) return
      }
    } finally {
      reader.dropWindow()
    }
  }

  /** Gives everything back, when nobody looks at it any more. */
  release(): void {
    for (const tree of this.#trees) tree.release()
    this.ledger.clear()
  }

  /** Moves what was taken in of a tree into the tree: behind it the tree shows the last commit. */
  moveAll(tree: FollowedTree): void {
    for (const viewer of this.viewers.values()) viewer.settle(tree)
    tree.moveTo(tree.end)
  }

  /** Operations of all trees that are not in them yet. */
  get behind(): number {
    let behind = 0
    for (const tree of this.#trees) behind += tree.behind
    return behind
  }

  /** Moves up to so many operations into one of the trees, and returns how many; none where none are left. */
  moveSome(most: number): number {
    const tree = this.#trees.find((each) => each.behind > 0)
    if (tree === undefined) return 0
    const before = tree.moved
    const end = Math.min(tree.end, before + most)
    for (let place = this.viewers.first; place !== undefined; place = place.after) {
      const wanted = place.value.wanted(tree)
      if (wanted === undefined) continue
      if (wanted > end) break
      place.value.settle(tree)
    }
    tree.moveTo(end)
    return tree.moved - before
  }

  /** Gives `viewer` its root of a tree, and before it those who want an earlier one theirs. */
  settle(tree: FollowedTree, viewer: Viewer): void {
    for (let place = this.viewers.first; place !== undefined; place = place.after) {
      place.value.settle(tree)
      if (place.value === viewer) return
    }
  }

  /** Versions go on rising from those of the stand before; with `isOther` they rise although nothing was read. */
  continueVersions(before: Stand, isOther: boolean): void {
    for (const tree of this.#trees) {
      const version = before.tree(tree.name)?.version ?? 0
      tree.version = isOther ? tree.version + version + 1 : version
    }
  }

  #define(definition: TreeDefinition, root: Root): void {
    const { name, id } = definition
    const isNamed = Object.hasOwn(this.#options, name)
    const given = isNamed ? this.#options[name]! : {}
    if (isNamed) assertSame(definition, given)
    // A checkpoint may name a tree whose record comes behind its commit.
    if (this.#byId.has(id)) return
    this.#byId.set(id, this.#add(definition, given, root))
  }

  #add(definition: TreeDefinition, given: TreeOptions, root: Root): FollowedTree {
    const { source, values } = this.#file
    const tree = new Tree(definition, given, source, this.ledger)
    tree.root = root
    const followed = new FollowedTree(tree, source, values, this.ledger)
    const before = this.tree(definition.name)
    if (before !== undefined) followed.version = before.version
    this.#trees = [...this.#trees.filter((other) => other !== before), followed]
    return followed
  }
}

function damaged(position: number, limit: number): StorageError {
  return new StorageError(
    'DAMAGED',
    `the group at ${position} is damaged: the log was durable up to ${limit}`,
    {
      position,
      durableEnd: limit,
    },
  )
}
