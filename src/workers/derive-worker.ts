/** Derives a key from a password (PBKDF2) in a thread that gives way to all others: see `derive.ts`. */
import { pbkdf2Sync } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import type { Derivation } from './derive-job.ts'

/**
 * On Linux threads have priorities of their own, and are named in /proc; elsewhere this is a thread like others. The
 * default export runs in threads of the pool alone, so none but those are meant.
 */
function giveWayToOthers(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(thread) && thread > 0) setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Not on this system, or not allowed.
  }
}

let isBelow = false

export default function derive({ password, salt, iterations, bytes, digest }: Derivation): Uint8Array {
  if (!isBelow) giveWayToOthers()
  isBelow = true
  return pbkdf2Sync(password, salt, iterations, bytes, digest)
}
