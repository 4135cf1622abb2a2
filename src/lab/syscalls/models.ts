/**
 * What a power cut may leave, by file system. A state is a choice for each change that no sync has covered; each model
 * says which choices go together, and `legalise` turns any choice into one that the model allows, by losing more.
 *
 * All models: of a file's overwritten sectors (512 bytes) any may be lost. A file's length goes through its changes in
 * their order.
 * - `ext4-ordered` (mount default): one journal has all changes of names and all truncations: a crash keeps those up to
 *   some point. A block (4 KiB) that was new shows its data or is not there; the rest of a block that the file had may
 *   be zeros where it grew. Blocks are allocated late, so a name may be kept whose file has none of its data; but a
 *   file that was renamed over another keeps its data with its name (auto_da_alloc). A sync of a file makes the changes
 *   of names before its last change of length durable.
 * - `ext4-writeback` (data=writeback): as above, but new blocks may show zeros or what the disk held before, and what was
 *   renamed over another may be without its data.
 * - `posix-strict`: no more than the standard says. Every change of a name stands alone until its folder is synced, and
 *   a sync of a file says nothing of its name; data of any block may be missing.
 */
import {
  applyRanges,
  applyWhole,
  type PendingOperation,
  rangesInSectors,
  SECTOR_SIZE,
} from '../disk/simulated-inode.ts'
import type { SparseImage } from '../disk/sparse-image.ts'
import { Random } from '../random.ts'
import {
  applyChange,
  collect,
  type NameChange,
  type Pending,
  type TracedFile,
  type TracedTree,
} from './traced-tree.ts'

export const MODELS = ['ext4-ordered', 'ext4-writeback', 'posix-strict'] as const

export type Model = (typeof MODELS)[number]

/**
 * What became of a change. `torn`: some sectors of a write, by the seed. `hollow`: its length without its data, which shows
 * zeros, or where the seed is odd and the model allows it old bytes of the disk.
 */
export type Fate = { readonly kind: 'lost' } | { readonly kind: 'torn' | 'hollow'; readonly seed: number }

/** By the sequence of the change; what is not named was kept. */
export type Choice = ReadonlyMap<number, Fate>

const BLOCK = 4096
export const LOST: Fate = { kind: 'lost' }

/** What no sync has covered, in the order of the calls. */
export function pendingOf(tree: TracedTree): Pending[] {
  const pending: Pending[] = [...tree.files()].flatMap(({ inode }) => inode.pending)
  for (const folder of tree.folders()) pending.push(...folder.pending)
  return pending.sort((a, b) => a.sequence - b.sequence)
}

export function isName(pending: Pending): pending is NameChange {
  return 'folder' in pending
}

/** The least loss that `model` allows and `choice` is part of. */
export function legalise(tree: TracedTree, model: Model, choice: Choice): Map<number, Fate> {
  const fates = new Map(choice)
  for (const file of tree.files()) growInOrder(file.inode.pending, file.inode.durable.length, model, fates)
  if (model === 'posix-strict') return fates
  const journal = pendingOf(tree).filter((each) => isName(each) || each.kind === 'truncate')
  let cut = journal.findIndex(
    (each) =>
      fates.get(each.sequence)?.kind === 'lost' || (model === 'ext4-ordered' && losesItsData(each, fates)),
  )
  // A rename is one entry of the journal.
  const first = cut < 0 ? undefined : journal[cut]
  if (first !== undefined && isName(first) && first.firstHalf !== undefined)
    cut = journal.indexOf(first.firstHalf)
  for (const each of cut < 0 ? [] : journal.slice(cut)) fates.set(each.sequence, LOST)
  // Truncations that went may be those before writes that grew the file.
  for (const file of tree.files()) growInOrder(file.inode.pending, file.inode.durable.length, model, fates)
  return fates
}

/** A file's length: once a change of it is lost, those after it are. */
function growInOrder(
  pending: readonly PendingOperation[],
  durableLength: number,
  model: Model,
  fates: Map<number, Fate>,
): void {
  let length = durableLength
  let isLost = false
  for (const each of pending) {
    const end = each.kind === 'truncate' ? each.length : each.position + each.data.length
    const grows = each.kind === 'truncate' ? end !== length : end > length
    if (!grows) continue
    const fate = fates.get(each.sequence)
    if (isLost) {
      if (each.kind === 'truncate' || fate?.kind !== 'torn') fates.set(each.sequence, LOST)
      continue
    }
    if (fate?.kind === 'lost') isLost = true
    // Of new blocks the first ones are there: the length ends with them.
    else if (fate?.kind === 'torn' && model !== 'posix-strict') isLost = true
    if (!isLost) length = end
  }
}

/** A file that takes another's place has its data in the journal's order. */
function losesItsData(change: Pending, fates: ReadonlyMap<number, Fate>): boolean {
  if (!isName(change) || change.replaces !== true || change.node.kind !== 'file') return false
  return change.node.inode.pending.some(
    (each) => each.sequence < change.sequence && fates.get(each.sequence) !== undefined,
  )
}

/** The files that are there by their paths, with what they hold. `fates` has to be legal. */
export function stateOf(
  tree: TracedTree,
  model: Model,
  fates: Choice,
): Map<string, { readonly file: TracedFile; readonly image: SparseImage }> {
  const found = new Map<string, TracedFile>()
  const isKept = (each: Pending) => !fates.has(each.sequence)
  collect(
    tree.root,
    tree.root.path,
    (folder) => {
      const names = new Map(folder.durable)
      for (const change of folder.pending) if (isKept(change)) applyChange(names, change)
      return names
    },
    found,
  )
  const images = new Map<TracedFile, SparseImage>()
  for (const file of new Set(found.values())) images.set(file, imageOf(file, model, fates))
  return new Map([...found].map(([path, file]) => [path, { file, image: images.get(file)! }]))
}

/** The paths of folders that are there, each before those in it. */
export function foldersOf(tree: TracedTree, fates: Choice): string[] {
  const paths: string[] = []
  const visit = (folder: typeof tree.root, path: string) => {
    const names = new Map(folder.durable)
    for (const change of folder.pending) if (!fates.has(change.sequence)) applyChange(names, change)
    for (const [name, node] of names) {
      if (node.kind !== 'folder') continue
      paths.push(`${path}/${name}`)
      visit(node, `${path}/${name}`)
    }
  }
  visit(tree.root, tree.root.path)
  return paths
}

function imageOf({ inode }: TracedFile, model: Model, fates: Choice): SparseImage {
  const image = inode.durable.clone()
  for (const each of inode.pending) {
    const fate = fates.get(each.sequence)
    if (fate === undefined) applyWhole(image, each)
    else if (each.kind === 'write' && fate.kind !== 'lost') applyInPart(image, each, model, fate)
  }
  return image
}

function applyInPart(
  image: SparseImage,
  write: PendingOperation & { kind: 'write' },
  model: Model,
  fate: Exclude<Fate, { kind: 'lost' }>,
): void {
  const random = new Random(fate.seed)
  const before = image.length
  const allocated = Math.ceil(before / BLOCK) * BLOCK
  const end = write.position + write.data.length
  const isNew = (sector: number) => sector * SECTOR_SIZE >= allocated
  if (fate.kind === 'hollow') {
    // In order, a new block is written before the length that shows it.
    const landed = model === 'ext4-ordered' ? rangesInSectors(write, isNew) : []
    applyRanges(image, write, landed)
    if (end > image.length) image.truncate(end)
    const showsOld = fate.seed % 2 === 1 && model !== 'ext4-ordered'
    const from = Math.max(write.position, allocated)
    if (showsOld && from < end) image.write(random.bytes(end - from), from)
    return
  }
  if (model === 'posix-strict' || end <= before) {
    const chance = random.pick([0.1, 0.5, 0.9])
    const ranges = rangesInSectors(write, () => random.bool(chance))
    applyRanges(image, write, ranges)
    return
  }
  // Whole blocks from the first on, and any sectors of the block that the file had.
  const from = Math.max(write.position, allocated)
  const blocks = Math.max(0, Math.ceil((end - from) / BLOCK))
  const cut = from + random.int(blocks) * BLOCK
  const ranges = rangesInSectors(write, (sector) =>
    isNew(sector) ? sector * SECTOR_SIZE < cut : random.bool(),
  )
  applyRanges(image, write, ranges)
}

/** A fate for each change that the model lets it have, drawn. */
export function drawnFate(pending: Pending, random: Random): Fate {
  if (isName(pending) || pending.kind === 'truncate' || random.bool(0.4)) return LOST
  return { kind: random.bool() ? 'torn' : 'hollow', seed: random.next() }
}
