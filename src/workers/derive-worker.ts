/** Derives a key from a password (PBKDF2) in a thread that gives way to all others: see `derive.ts`. */
import { pbkdf2Sync } from 'node:crypto'
import type { DeriveJob } from './derive-job.ts'
import { giveWayToOthers, takeWhatIsLeft } from './give-way.ts'

let hasGivenWay = false

export default function derive(job: DeriveJob): Uint8Array {
  const { password, salt, iterations, bytes, digest, share } = job
  if (!hasGivenWay) {
    if (share === 'little') giveWayToOthers()
    else takeWhatIsLeft()
    hasGivenWay = true
  }
  return pbkdf2Sync(password, salt, iterations, bytes, digest)
}
