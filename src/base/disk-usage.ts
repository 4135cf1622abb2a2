/** How full the disk of a folder is. The answer is kept for a second, for it is asked on every write. */
import { statfsSync } from 'node:fs'
import type { Clock } from './clock.ts'

const KEPT_MS = 1000

const known = new Map<string, { readonly askedMs: number; readonly percent: number }>()

/** Percent of what this process could have, rounded up, as `df` tells it. A disk that does not tell is empty. */
export function diskPercentUsed(folder: string, clock: Pick<Clock, 'monotonic'>): number {
  const nowMs = clock.monotonic()
  const before = known.get(folder)
  if (before !== undefined && Math.abs(nowMs - before.askedMs) < KEPT_MS) return before.percent
  const percent = askPercent(folder)
  known.set(folder, { askedMs: nowMs, percent })
  return percent
}

function askPercent(folder: string): number {
  try {
    const { blocks, bfree, bavail } = statfsSync(folder)
    const used = blocks - bfree
    return used + bavail === 0 ? 0 : Math.ceil((used / (used + bavail)) * 100)
  } catch {
    return 0
  }
}
