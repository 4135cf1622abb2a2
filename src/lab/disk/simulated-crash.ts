/**
 * What a power loss leaves of one file.
 *
 * - Data: of the unsynced writes any subset lands, in any order, each whole or torn into any subset of its
 *   512-byte sectors (or cut at any byte). Nothing that a failed sync lost lands.
 * - Length and truncations are metadata, journaled in order: any prefix of the changes of length holds,
 *   independent of which data landed. Where the file is long enough but the data did not land it shows zeros or,
 *   as file systems without ordered data do, whatever the blocks held before.
 */
import type { Random } from '../random.ts'
import {
  applyRanges,
  applyWhole,
  clipRanges,
  type PendingOperation,
  type PendingWrite,
  type Range,
  rangesInSectors,
  SECTOR_SIZE,
  type SimulatedInode,
  sectorsOf,
  wholeRanges,
} from './simulated-inode.ts'
import { PAGE_SIZE, type SparseImage } from './sparse-image.ts'

/** Chances, each between 0 and 1; what is left out is drawn anew for each crash. */
export interface CrashOptions {
  /** Where the draws come from; the disk's own generator when absent. */
  readonly random?: Random
  /** That an unsynced write reaches the platter at all. */
  readonly survival?: number
  /** That a write which does is torn. */
  readonly tearing?: number
  /** That a torn write is cut at any byte instead of by sectors. Default 0. */
  readonly tearingAtBytes?: number
  /** That writes land in another order than they were issued. */
  readonly reordering?: number
  /** That a sector which the file has got, but whose data did not land, shows stale bytes instead of zeros. */
  readonly staleness?: number
}

export interface CrashProfile {
  readonly survival: number
  readonly tearing: number
  readonly tearingAtBytes: number
  readonly reordering: number
  readonly staleness: number
}

export function crashProfile(random: Random, options: CrashOptions): CrashProfile {
  return {
    survival: options.survival ?? random.pick([0, 0.1, 0.5, 0.9, 1]),
    tearing: options.tearing ?? random.pick([0, 0.2, 1]),
    tearingAtBytes: options.tearingAtBytes ?? 0,
    reordering: options.reordering ?? random.pick([0, 1]),
    staleness: options.staleness ?? random.pick([0, 0, 0.5, 1]),
  }
}

interface Landing {
  readonly operation: PendingWrite
  readonly ranges: readonly Range[]
}

/** A crash image drawn at random. `otherBytes` gives a page of what else the disk holds, for stale blocks. */
export function randomCrashImage(
  inode: SimulatedInode,
  random: Random,
  profile: CrashProfile,
  otherBytes: () => Uint8Array,
): SparseImage {
  const { pending } = inode
  const image = inode.durable.clone()
  if (pending.length === 0) return image
  const metadataUntil = random.pick([0, pending.length, random.int(pending.length + 1)])
  const dataUntil = random.bool() ? pending.length : random.int(pending.length + 1)
  const length = lengthAfter(inode, metadataUntil)
  const landed = new Set<number>()
  let run: Landing[] = []
  const land = () => {
    if (random.bool(profile.reordering)) random.shuffle(run)
    for (const { operation, ranges } of run) {
      applyRanges(image, operation, ranges)
      markSectors(landed, operation, ranges)
    }
    run = []
  }
  for (const [index, operation] of pending.entries()) {
    if (operation.kind === 'write') {
      if (index < dataUntil && random.bool(profile.survival)) {
        run.push({ operation, ranges: landingRanges(operation, random, profile) })
      }
    } else if (index < metadataUntil) {
      land()
      image.truncate(operation.length)
    }
  }
  land()
  image.truncate(length)
  if (profile.staleness > 0) exposeStale(image, inode, landed, random, profile.staleness, otherBytes)
  return image
}

/**
 * The crash image of exactly the operations that `selects` accepts, whole and in order; `torn` lands in part.
 */
export function selectedCrashImage(
  inode: SimulatedInode,
  selects: (operation: PendingOperation) => boolean,
  torn?: { operation: PendingOperation; random: Random; atBytes: boolean },
): SparseImage {
  const image = inode.durable.clone()
  for (const operation of inode.pending) {
    if (selects(operation)) {
      applyWhole(image, operation)
    } else if (torn?.operation === operation && operation.kind === 'write') {
      const profile = { tearing: 1, tearingAtBytes: torn.atBytes ? 1 : 0 }
      applyRanges(image, operation, landingRanges(operation, torn.random, profile))
    }
  }
  return image
}

function landingRanges(
  operation: PendingWrite,
  random: Random,
  profile: Pick<CrashProfile, 'tearing' | 'tearingAtBytes'>,
): Range[] {
  if (!random.bool(profile.tearing)) return wholeRanges(operation)
  if (random.bool(profile.tearingAtBytes)) {
    return clipRanges(wholeRanges(operation), random.int(operation.data.length + 1))
  }
  const chance = random.pick([0.1, 0.5, 0.9])
  return rangesInSectors(operation, () => random.bool(chance))
}

function lengthAfter(inode: SimulatedInode, count: number): number {
  let length = inode.durable.length
  for (const operation of inode.pending.slice(0, count)) {
    if (operation.kind === 'truncate') length = operation.length
    else length = Math.max(length, operation.position + operation.data.length)
  }
  return length
}

function markSectors(landed: Set<number>, operation: PendingWrite, ranges: readonly Range[]): void {
  for (const { from, to } of ranges) {
    const last = Math.floor((operation.position + to - 1) / SECTOR_SIZE)
    for (let sector = Math.floor((operation.position + from) / SECTOR_SIZE); sector <= last; sector++) {
      landed.add(sector)
    }
  }
}

/** Puts old bytes into sectors beyond the durable length that were allocated for writes which did not land. */
function exposeStale(
  image: SparseImage,
  inode: SimulatedInode,
  landed: ReadonlySet<number>,
  random: Random,
  chance: number,
  otherBytes: () => Uint8Array,
): void {
  const sources = new Map<number, Uint8Array>()
  for (const operation of inode.pending) {
    if (operation.kind !== 'write') continue
    const { first, last } = sectorsOf(operation)
    for (let sector = first; sector <= last; sector++) {
      const from = Math.max(sector * SECTOR_SIZE, inode.durable.length)
      const to = Math.min((sector + 1) * SECTOR_SIZE, image.length)
      if (landed.has(sector) || from >= to || !random.bool(chance)) continue
      const page = Math.floor(from / PAGE_SIZE)
      const source = sources.get(page) ?? staleSource(inode, page, random, otherBytes)
      sources.set(page, source)
      image.write(source.subarray(from - page * PAGE_SIZE, to - page * PAGE_SIZE), from)
    }
  }
}

function staleSource(
  inode: SimulatedInode,
  page: number,
  random: Random,
  otherBytes: () => Uint8Array,
): Uint8Array {
  const cut = inode.discarded.get(page)
  if (cut !== undefined && random.bool(0.7)) return cut
  return random.bool() ? otherBytes() : random.bytes(PAGE_SIZE)
}
