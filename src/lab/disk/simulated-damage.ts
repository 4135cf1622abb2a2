/**
 * Damage to data at rest: what a medium, a controller or a careless hand does to synced bytes. Each function
 * changes what is durable and what reads show alike, as if the machine had restarted since.
 */

import type { SimulatedDisk } from './simulated-disk.ts'
import { PAGE_SIZE, type SparseImage } from './sparse-image.ts'

function damage(disk: SimulatedDisk, path: string, change: (image: SparseImage) => void): void {
  const inode = disk.inode(path)
  change(inode.durable)
  change(inode.visible)
}

/** Flips bit 0 to 7 of the byte at `position`. */
export function flipBit(disk: SimulatedDisk, path: string, position: number, bit: number): void {
  damage(disk, path, (image) => {
    const byte = image.slice(position, 1)
    byte[0] = (byte[0] ?? 0) ^ (1 << bit)
    image.write(byte, position)
  })
}

/** Zeroes a range, as a discarded or unreadable block that was replaced. */
export function zeroRange(disk: SimulatedDisk, path: string, position: number, length: number): void {
  damage(disk, path, (image) => image.clear(position, length))
}

/** Exchanges two blocks of `length` bytes, which must not overlap. */
export function swapBlocks(disk: SimulatedDisk, path: string, a: number, b: number, length: number): void {
  damage(disk, path, (image) => {
    const held = image.slice(a, length)
    image.write(image.slice(b, length), a)
    image.write(held, b)
  })
}

/** Cuts the file, as a copy that was interrupted. */
export function cutFile(disk: SimulatedDisk, path: string, length: number): void {
  damage(disk, path, (image) => image.truncate(length))
}

/**
 * A write that the disk acknowledged and never did: the range reverts to what was durable before it last
 * changed, zeros if it never had been written before.
 */
export function staleWrite(disk: SimulatedDisk, path: string, position: number, length: number): void {
  const earlier = earlierContent(disk, path, position, length)
  damage(disk, path, (image) => image.write(earlier, position))
}

/** A write that went to the wrong place: its bytes are at `to`, and `from` is what it was before. */
export function misdirectWrite(
  disk: SimulatedDisk,
  path: string,
  from: number,
  to: number,
  length: number,
): void {
  const bytes = disk.inode(path).durable.slice(from, length)
  const earlier = earlierContent(disk, path, from, length)
  damage(disk, path, (image) => {
    image.write(earlier, from)
    image.write(bytes, to)
  })
}

function earlierContent(disk: SimulatedDisk, path: string, position: number, length: number): Uint8Array {
  const { history } = disk.inode(path)
  const earlier = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const page = Math.floor((position + done) / PAGE_SIZE)
    const offset = position + done - page * PAGE_SIZE
    const count = Math.min(PAGE_SIZE - offset, length - done)
    const bytes = history.get(page)
    if (bytes !== undefined) earlier.set(bytes.subarray(offset, offset + count), done)
    done += count
  }
  return earlier
}
