/** Derives a key from a password (PBKDF2) in a thread that gives way to all others: see `derive.ts`. */
import { pbkdf2Sync } from 'node:crypto'
import type { Derivation } from './derive-job.ts'
import { giveWayToOthers, PRIORITY_BELOW_NORMAL, PRIORITY_LOW, PRIORITY_NORMAL } from './give-way.ts'

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
