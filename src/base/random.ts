/** Randomness, passed in like the time, so that a seed reproduces a run. */
import { randomFillSync } from 'node:crypto'

/** Fills `target` with random bytes. */
export type RandomBytes = (target: Uint8Array) => void

/** Drawn ahead, because a call costs the same for 5 bytes, which each request's id takes, as for thousands. */
const pool = Buffer.alloc(4096)
let used = pool.length

/** Cryptographically strong. No byte is given out twice. */
export const systemRandom: RandomBytes = (target) => {
  if (target.length > pool.length / 4) {
    randomFillSync(target)
    return
  }
  if (used + target.length > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  for (let i = 0; i < target.length; i++) {
    target[i] = pool[used]!
    pool[used++] = 0
  }
}

/** `length` random bytes in lower-case hex. */
export function randomHex(random: RandomBytes, length: number): string {
  const bytes = Buffer.allocUnsafe(length)
  random(bytes)
  return bytes.toString('hex')
}
