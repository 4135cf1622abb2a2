/**
 * xxh64 over byte ranges. It detects accidents, not malice. Every hash but the genesis group's is seeded:
 * with the file's salt, and for whatever is found by position also with that position, so that bytes of
 * another file, or of another place in this one, do not verify.
 */
import createXxhash from 'xxhash-wasm'

const xxhash = await createXxhash()

/** Hash of `bytes` as an unsigned 64-bit integer. */
export function hash64(bytes: Uint8Array, seed: bigint): bigint {
  return xxhash.h64Raw(bytes, seed)
}

/** The seed for bytes that lie at `position`. */
export function positionSeed(salt: bigint, position: number): bigint {
  return salt ^ BigInt(position)
}
