/** Randomness, passed in like the time, so that a seed reproduces a run. */
import { randomFillSync } from 'node:crypto'

/** Fills `target` with random bytes. */
export type RandomBytes = (target: Uint8Array) => void

/** Cryptographically strong. */
export const systemRandom: RandomBytes = (target) => {
  randomFillSync(target)
}

/** `length` random bytes in lower-case hex. */
export function randomHex(random: RandomBytes, length: number): string {
  const bytes = Buffer.alloc(length)
  random(bytes)
  return bytes.toString('hex')
}
