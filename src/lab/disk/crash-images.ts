import type { Random } from '../random.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

export interface CrashImage {
  readonly disk: SimulatedDisk
  /** Which of the unsynced operations it has. */
  readonly how: string
}

/**
 * Disks that a power loss right now might leave: after every prefix of what is not synced, a torn one, one drawn
 * at random and a subset. Where all is synced there is one such disk, and it is seldom worth a look.
 */
export function crashImages(disk: SimulatedDisk, random: Random): CrashImage[] {
  const count = disk.unsynced().length
  if (count === 0) return random.bool(0.05) ? [{ disk: disk.afterCrashPrefix(0), how: 'all synced' }] : []
  const images: CrashImage[] = []
  // With nothing of it on the disk, it is the disk of the sync before.
  for (let i = random.bool(0.3) ? 0 : 1; i <= count; i++) {
    images.push({ disk: disk.afterCrashPrefix(i), how: `prefix of ${i} of ${count}` })
  }
  const tearing = random.bool(0.6) ? 'sectors' : 'bytes'
  const torn = disk.afterCrashPrefix(random.int(count), tearing)
  images.push({ disk: torn, how: `torn by ${tearing}` }, { disk: disk.afterCrash(), how: 'random' })
  if (count > 1) images.push({ disk: disk.afterCrashSubset(() => random.bool()), how: 'subset' })
  return images
}
