/**
 * What a power loss may leave of a TracedTree. Data: of the writes that no sync covered any subset, whole or torn,
 * in any order; lengths in their order. Names, by two models:
 * - `journaled`: as ext4 in ordered mode, where one journal has all changes of names: a crash keeps those up to some
 *   point of their order, over all folders.
 * - `independent`: no more than POSIX says: each change that no sync of its folder covered is kept or undone on its
 *   own, so that of a rename between folders either half may be kept alone.
 */

import { crashProfile, randomCrashImage, selectedCrashImage } from '../../src/lab/disk/simulated-crash.ts'
import { PAGE_SIZE, type SparseImage } from '../../src/lab/disk/sparse-image.ts'
import {
  applyChange,
  collect,
  type Pending,
  type TracedFile,
  type TracedTree,
} from '../../src/lab/syscalls/traced-tree.ts'
import type { Random } from '../../test/support/random.ts'

export interface CrashState {
  /** Files by their paths. */
  readonly files: ReadonlyMap<string, { readonly file: TracedFile; readonly image: SparseImage }>
  readonly how: string
  /** Files of which everything is durable, so that all states since their last sync have the same. */
  readonly settled: ReadonlySet<TracedFile>
}

/** Beyond this many pending changes the prefixes are sampled. */
const MOST_PREFIXES = 12

/** Locks and drafts are cleared away by a start, whatever is in them. */
const CLEARED_NAME = /\.lock\b/
const CLEARED_FOLDER = /\/drafts$/

/** What no sync has covered, in the order of issue: what a start reads, and what it clears away. */
export function pendingOf(tree: TracedTree): { matters: Pending[]; cleared: Pending[] } {
  const matters: Pending[] = []
  const cleared: Pending[] = []
  for (const { path, pending } of tree.folders()) {
    for (const change of pending) {
      const isCleared = CLEARED_FOLDER.test(path) || CLEARED_NAME.test(change.sets ?? change.unsets ?? '')
      ;(isCleared ? cleared : matters).push(change)
    }
  }
  for (const { inode, firstName } of tree.files()) {
    ;(CLEARED_NAME.test(firstName) ? cleared : matters).push(...inode.pending)
  }
  matters.sort((a, b) => a.sequence - b.sequence)
  return { matters, cleared }
}

/** States of one moment: nothing of what is pending, every prefix of it, torn ones, and random ones of both models. */
export function* crashStates(tree: TracedTree, random: Random): Generator<CrashState, void, void> {
  const { matters: pending, cleared } = pendingOf(tree)
  const { length } = pending
  const select = (kept: readonly Pending[]) => new Set([...kept, ...cleared.filter(() => random.bool())])
  const counts =
    length <= MOST_PREFIXES
      ? Array.from({ length: length + 1 }, (_, count) => count)
      : [0, length, ...Array.from({ length: MOST_PREFIXES - 2 }, () => random.int(length))]
  for (const count of counts) {
    yield selectedState(tree, select(pending.slice(0, count)), `prefix of ${count} of ${length}`)
  }
  if (length === 0) return
  const torn = random.int(length)
  yield selectedState(tree, select(pending.slice(0, torn)), `${torn} of ${length}, the next torn`, {
    operation: pending[torn]!,
    random,
  })
  if (length > 1) {
    yield selectedState(tree, select(pending.filter(() => random.bool())), `a subset of ${length}`)
  }
  yield randomState(tree, random, 'journaled')
  yield randomState(tree, random, 'independent')
}

function isChange(pending: Pending): boolean {
  return 'folder' in pending
}

function selectedState(
  tree: TracedTree,
  selected: ReadonlySet<Pending>,
  how: string,
  torn?: { operation: Pending; random: Random },
): CrashState {
  const tear =
    torn === undefined || isChange(torn.operation)
      ? undefined
      : { operation: torn.operation as never, random: torn.random, atBytes: torn.random.bool() }
  return state(tree, selected, how, ({ inode }) =>
    selectedCrashImage(inode, (operation) => selected.has(operation), tear),
  )
}

function randomState(tree: TracedTree, random: Random, model: 'journaled' | 'independent'): CrashState {
  const changes = tree
    .folders()
    .flatMap(({ pending }) => pending)
    .sort((a, b) => a.sequence - b.sequence)
  const kept =
    model === 'journaled'
      ? changes.slice(0, random.int(changes.length + 1))
      : changes.filter(() => random.bool())
  const files = [...tree.files()]
  const otherBytes = (): Uint8Array => {
    const { visible } = random.pick(files).inode
    return visible.slice(random.int(Math.ceil(visible.length / PAGE_SIZE)) * PAGE_SIZE, PAGE_SIZE)
  }
  const profile = crashProfile(random, {})
  return state(tree, new Set(kept), `random, names ${model}`, ({ inode }) =>
    randomCrashImage(inode, random, profile, otherBytes),
  )
}

function state(
  tree: TracedTree,
  selected: ReadonlySet<Pending>,
  how: string,
  imageOf: (file: TracedFile) => SparseImage,
): CrashState {
  const found = new Map<string, TracedFile>()
  collect(
    tree.root,
    tree.root.path,
    (folder) => {
      const names = new Map(folder.durable)
      for (const change of folder.pending) if (selected.has(change)) applyChange(names, change)
      return names
    },
    found,
  )
  // Two names of one file show the same.
  const images = new Map<TracedFile, SparseImage>()
  const settled = new Set<TracedFile>()
  for (const file of new Set(found.values())) {
    if (file.inode.pending.length === 0) settled.add(file)
    images.set(file, imageOf(file))
  }
  const files = new Map([...found].map(([path, file]) => [path, { file, image: images.get(file)! }]))
  return { files, how, settled }
}
