/** Derives a key from a password (PBKDF2) in a thread that gives way to all others: see `derive.ts`. */
import { pbkdf2Sync } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import type { Derivation } from './derive-job.ts'

/**
 * On Linux threads have priorities of their own, and are named in /proc; elsewhere this is a thread like others. The
 * default export runs in threads of the pool alone, so none but those are meant.
 */
function giveWayToOthers(priority: number): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(thread) && thread > 0) setPriority(thread, priority)
  } catch {
    // Not on this system, or not allowed.
  }
}

const { PRIORITY_NORMAL, PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority

/** It only ever sinks, since nobody but root may raise it: a thread that has sunk ends when it is idle. */
let current: number = PRIORITY_NORMAL

export default function derive(derivation: Derivation): Uint8Array {
  const { password, salt, iterations, bytes, digest, isCrowded = false } = derivation
  const wanted = isCrowded ? PRIORITY_LOW : PRIORITY_BELOW_NORMAL
  if (wanted > current) {
    giveWayToOthers(wanted)
    current = wanted
  }
  return pbkdf2Sync(password, salt, iterations, bytes, digest)
}
