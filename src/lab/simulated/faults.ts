/** What goes wrong with the simulated disk in one life of a store, beside the power. */
import { flipBit, misdirectWrite, staleWrite, zeroRange } from '../disk/simulated-damage.ts'
import type { SimulatedDisk } from '../disk/simulated-disk.ts'
import type { Fault } from '../disk/simulated-fault.ts'
import { SECTOR_SIZE } from '../disk/simulated-inode.ts'
import { PAGE_SIZE } from '../disk/sparse-image.ts'
import type { Random } from '../random.ts'

/** Operations that fail while a store works: it may refuse what it is asked then, and has to be right afterwards. */
export const LIVE_FAULTS = ['full-disk', 'failed-write', 'failed-sync', 'read-error'] as const
/** Damage to a file at rest: a store may refuse to read it, and must not give anything else than it held. */
export const REST_FAULTS = ['bit-rot', 'zeroed-sector', 'lost-write', 'misdirected-write'] as const
/** A disk that says it has synced and has not: a store may lose commits, the last ones first. */
export const LYING = 'lying-sync'

export const FAULTS = [...LIVE_FAULTS, LYING, ...REST_FAULTS] as const

export type LiveFault = (typeof LIVE_FAULTS)[number]
export type RestFault = (typeof REST_FAULTS)[number]
export type FaultName = (typeof FAULTS)[number]

/** The failures of one life. */
export function liveFault(name: LiveFault | typeof LYING, random: Random): Fault[] {
  switch (name) {
    case 'full-disk':
      return [{ on: 'write', code: 'ENOSPC', after: random.int(20), times: random.pick([1, 1, 3, 1000]) }]
    case 'failed-write':
      return [{ on: 'write', after: random.int(20) }]
    case 'failed-sync': {
      if (random.bool(0.15)) return [{ on: 'syncDirectory' }]
      return [{ on: 'sync', after: random.int(15), times: random.pick([1, 1, 2, 1000]) }]
    }
    case 'read-error':
      return [{ on: 'read', after: random.int(random.pick([4, 40])), times: random.pick([1, 3, 1000]) }]
    case LYING: {
      const times = random.pick([1, 4, 1000])
      const file: Fault = { on: 'sync', lies: true, after: random.int(10), times }
      return random.bool(0.3) ? [file, { on: 'syncDirectory', lies: true }] : [file]
    }
  }
}

/** Damages one place of one file; says how. Undefined where there is nothing to damage. */
export function damage(
  disk: SimulatedDisk,
  name: RestFault,
  random: Random,
  isSpared: (path: string) => boolean,
): string | undefined {
  const paths = disk.paths().filter((path) => !isSpared(path) && disk.inode(path).visible.length > 0)
  if (paths.length === 0) return undefined
  const path = random.pick(paths)
  const { length } = disk.inode(path).visible
  // Beginnings and ends are where most stores keep what they find the rest by.
  const at = random.pick([
    random.int(length),
    random.int(Math.min(length, 2 * PAGE_SIZE)),
    length - 1 - random.int(Math.min(length, PAGE_SIZE)),
  ])
  const file = path.slice(path.lastIndexOf('/') + 1)
  if (name === 'bit-rot') {
    flipBit(disk, path, at, random.int(8))
    return `a bit of byte ${at} of ${file} is flipped`
  }
  const size = random.pick([SECTOR_SIZE, PAGE_SIZE])
  const start = at - (at % size)
  const bytes = Math.min(size, length - start)
  if (name === 'zeroed-sector') {
    zeroRange(disk, path, start, bytes)
    return `bytes ${start} to ${start + bytes} of ${file} are zeros`
  }
  if (name === 'lost-write') {
    staleWrite(disk, path, start, bytes)
    return `bytes ${start} to ${start + bytes} of ${file} are as before they were written last`
  }
  const to = random.int(Math.ceil(length / size)) * size
  misdirectWrite(disk, path, start, to, Math.min(bytes, Math.max(0, length - to)))
  return `what was written to bytes ${start} to ${start + bytes} of ${file} went to ${to}`
}
