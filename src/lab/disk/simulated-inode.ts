/**
 * One file of the simulated disk, apart from its names.
 *
 * Three things are kept: `durable`, what is on the platter for sure; `pending`, the writes and truncations since,
 * in order, of which a crash may keep any part; `visible`, what reads see (the page cache). Normally
 * visible = durable + pending. After a failed sync it is more: sectors that the kernel gave up on are marked
 * `lost` in their operation, so reads still show them, no later sync writes them, and only new bytes written
 * over them become durable (https://lwn.net/Articles/752063/: the pages of a failed fsync count as clean).
 */
import type { Random } from '../random.ts'
import { PAGE_SIZE, SparseImage } from './sparse-image.ts'

export const SECTOR_SIZE = 512
const DISCARDED_PAGES = 64

export interface PendingWrite {
  readonly kind: 'write'
  readonly sequence: number
  readonly position: number
  readonly data: Uint8Array
  /** Whether the caller was told that it is done: a sync owes nothing to a write that is still under way. */
  settled: boolean
  /** Absolute sector numbers that a failed sync gave up. */
  lost?: Set<number>
}

export interface PendingTruncate {
  readonly kind: 'truncate'
  readonly sequence: number
  readonly length: number
  settled: boolean
}

export type PendingOperation = PendingWrite | PendingTruncate

/** A range of a write's data, end excluded. */
export interface Range {
  readonly from: number
  readonly to: number
}

export class SimulatedInode {
  durable = new SparseImage()
  visible = new SparseImage()
  pending: PendingOperation[] = []
  /** The durable content of a page before it last changed. */
  readonly history = new Map<number, Uint8Array>()
  /** Pages that a truncation cut off, at their place: a file that grows again may show them. */
  readonly discarded = new Map<number, Uint8Array>()

  static of(image: SparseImage): SimulatedInode {
    const inode = new SimulatedInode()
    inode.durable = image
    inode.visible = image.clone()
    return inode
  }

  write(sequence: number, source: Uint8Array, position: number): PendingWrite {
    const operation: PendingWrite = {
      kind: 'write',
      sequence,
      position,
      // A Buffer's slice would share the caller's memory.
      data: new Uint8Array(source),
      settled: false,
    }
    this.visible.write(operation.data, position)
    if (source.length > 0) this.pending.push(operation)
    return operation
  }

  truncate(sequence: number, length: number): PendingTruncate {
    const operation: PendingTruncate = { kind: 'truncate', sequence, length, settled: false }
    this.discardBeyond(length)
    this.visible.truncate(length)
    this.pending.push(operation)
    return operation
  }

  /** A good sync: `covered` becomes durable, sectors that were lost before excepted. */
  harden(covered: ReadonlySet<PendingOperation>): void {
    const kept: PendingOperation[] = []
    for (const operation of this.pending) {
      if (!covered.has(operation)) {
        kept.push(operation)
        continue
      }
      if (operation.kind === 'write') this.remember(operation)
      applyWhole(this.durable, operation)
    }
    this.pending = kept
  }

  /** A failed sync: each unsynced sector is lost with this chance. */
  loseSectors(random: Random, chance: number): void {
    for (const operation of this.pending) {
      if (operation.kind !== 'write') continue
      const { first, last } = sectorsOf(operation)
      for (let sector = first; sector <= last; sector++) {
        if (!random.bool(chance)) continue
        operation.lost ??= new Set()
        operation.lost.add(sector)
      }
    }
  }

  /** What reads show once the page cache is gone: lost sectors fall back to what is durable. */
  dropCache(): void {
    const image = this.durable.clone()
    for (const operation of this.pending) applyWhole(image, operation)
    this.visible = image
  }

  private remember(operation: PendingWrite): void {
    const first = Math.floor(operation.position / PAGE_SIZE)
    const last = Math.floor((operation.position + operation.data.length - 1) / PAGE_SIZE)
    for (let index = first; index <= last; index++) {
      const page = this.durable.page(index)
      if (page !== undefined) this.history.set(index, page)
    }
  }

  private discardBeyond(length: number): void {
    const first = Math.floor(length / PAGE_SIZE)
    const last = Math.ceil(this.visible.length / PAGE_SIZE)
    for (let index = first; index < last && index < first + DISCARDED_PAGES; index++) {
      const page = this.visible.page(index)
      if (page === undefined) continue
      this.discarded.delete(index)
      this.discarded.set(index, page)
    }
    for (const index of this.discarded.keys()) {
      if (this.discarded.size <= DISCARDED_PAGES) break
      this.discarded.delete(index)
    }
  }
}

/** The sectors that a write touches, both ends included. */
export function sectorsOf(operation: PendingWrite): { first: number; last: number } {
  return {
    first: Math.floor(operation.position / SECTOR_SIZE),
    last: Math.floor((operation.position + operation.data.length - 1) / SECTOR_SIZE),
  }
}

/** The parts of a write in the sectors that `keeps` accepts, those that a failed sync lost never among them. */
export function rangesInSectors(operation: PendingWrite, keeps: (sector: number) => boolean): Range[] {
  const { first, last } = sectorsOf(operation)
  const ranges: Range[] = []
  let from = -1
  for (let sector = first; sector <= last + 1; sector++) {
    const kept = sector <= last && operation.lost?.has(sector) !== true && keeps(sector)
    const start = Math.max(0, sector * SECTOR_SIZE - operation.position)
    if (kept && from < 0) from = start
    if (!kept && from >= 0) {
      ranges.push({ from, to: Math.min(start, operation.data.length) })
      from = -1
    }
  }
  return ranges
}

/** All of a write that can still become durable. */
export function wholeRanges(operation: PendingWrite): Range[] {
  if (operation.lost === undefined) return [{ from: 0, to: operation.data.length }]
  return rangesInSectors(operation, () => true)
}

/** Cuts ranges off at `length` bytes of the write's data. */
export function clipRanges(ranges: readonly Range[], length: number): Range[] {
  return ranges
    .map(({ from, to }) => ({ from, to: Math.min(to, length) }))
    .filter(({ from, to }) => from < to)
}

export function applyRanges(image: SparseImage, operation: PendingWrite, ranges: readonly Range[]): void {
  for (const { from, to } of ranges) image.write(operation.data.subarray(from, to), operation.position + from)
}

/** Applies an operation as far as nothing of it is lost; the length counts even where the data is lost. */
export function applyWhole(image: SparseImage, operation: PendingOperation): void {
  if (operation.kind === 'truncate') {
    image.truncate(operation.length)
    return
  }
  applyRanges(image, operation, wholeRanges(operation))
  image.truncate(Math.max(image.length, operation.position + operation.data.length))
}
