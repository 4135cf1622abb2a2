/**
 * The two superblock slots. A slot is a hint: it says where to begin, and it vouches for `durableEnd`; what
 * the file holds is said by the groups alone. A slot names only groups whose sync had returned before the
 * slot's own write was issued, and the other slot is not touched until that write has been synced.
 */
import { hash64 } from '../disk/checksum.ts'
import { FORMAT_VERSION, SUPERBLOCK, SUPERBLOCK_BYTES, SUPERBLOCK_MAGIC } from '../format.ts'
import { type CheckpointPointer, readU64, writeU64 } from './group.ts'

/** Bits, each of something that a file has and version 1 by itself does not; see FORMAT.md, "Features". */
export interface Features {
  /** Who does not know one of these cannot read the file. */
  read: number
  /** Who does not know one of these may read the file and not write it. */
  write: number
  /** Whoever does not know these leaves them as they are. */
  keep: number
}

export const NO_FEATURES: Features = { read: 0, write: 0, keep: 0 }

export interface Superblock {
  slot: number
  uuid: Buffer
  salt: bigint
  generation: number
  flags: number
  /** Counts the writes of superblocks; the higher of two valid slots is the newer. */
  sequence: number
  durableEnd: number
  lastGroupPosition: number
  lastGroupHash: bigint
  commit: number
  checkpoint: CheckpointPointer
  /** Where a walk over the groups begins, and the hash of the group before. */
  replayPosition: number
  replayPreviousHash: bigint
  features: Features
}

export function encodeSuperblock(block: Superblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
  bytes.write(SUPERBLOCK_MAGIC, SUPERBLOCK.magic, 'latin1')
  bytes.writeUInt16LE(FORMAT_VERSION, SUPERBLOCK.version)
  bytes[SUPERBLOCK.slot] = block.slot
  block.uuid.copy(bytes, SUPERBLOCK.uuid)
  bytes.writeBigUInt64LE(block.salt, SUPERBLOCK.salt)
  bytes.writeUInt32LE(block.generation, SUPERBLOCK.generation)
  bytes.writeUInt32LE(block.flags, SUPERBLOCK.flags)
  writeU64(bytes, block.sequence, SUPERBLOCK.sequence)
  writeU64(bytes, block.durableEnd, SUPERBLOCK.durableEnd)
  writeU64(bytes, block.lastGroupPosition, SUPERBLOCK.lastGroupPosition)
  bytes.writeBigUInt64LE(block.lastGroupHash, SUPERBLOCK.lastGroupHash)
  writeU64(bytes, block.commit, SUPERBLOCK.commit)
  writeU64(bytes, block.checkpoint.position, SUPERBLOCK.checkpointPosition)
  bytes.writeUInt32LE(block.checkpoint.length, SUPERBLOCK.checkpointLength)
  bytes.writeBigUInt64LE(block.checkpoint.hash, SUPERBLOCK.checkpointHash)
  writeU64(bytes, block.replayPosition, SUPERBLOCK.replayPosition)
  bytes.writeBigUInt64LE(block.replayPreviousHash, SUPERBLOCK.replayPreviousHash)
  bytes.writeUInt32LE(block.features.read, SUPERBLOCK.featuresToRead)
  bytes.writeUInt32LE(block.features.write, SUPERBLOCK.featuresToWrite)
  bytes.writeUInt32LE(block.features.keep, SUPERBLOCK.featuresToKeep)
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, SUPERBLOCK.hash), 0n), SUPERBLOCK.hash)
  return bytes
}

export type SlotState =
  | { state: 'valid'; block: Superblock }
  /** Whole, but of a version that this library does not know, or of a draft of one; `draft` 0: of none. */
  | { state: 'unknown'; version: number; draft: number }
  | { state: 'bad' }

/** The bytes that differ between two superblocks of one slot; all others are the same as long as the file is. */
const VARYING: readonly (readonly [from: number, to: number])[] = [
  [SUPERBLOCK.generation, SUPERBLOCK.checkpointLength + 4],
  [SUPERBLOCK.checkpointHash, SUPERBLOCK.featuresToKeep + 4],
  [SUPERBLOCK.hash, SUPERBLOCK_BYTES],
]

/**
 * Whether what lies in slot `slot`, which is no superblock, may be what a torn write left there: it has what every
 * superblock of the file has at that place. `other` is the one of the other slot.
 */
export function mayBeTorn(bytes: Buffer, slot: number, other: Superblock): boolean {
  if (bytes.length < SUPERBLOCK_BYTES) return false
  const expected = encodeSuperblock({ ...other, slot })
  const found = Buffer.from(bytes)
  for (const [from, to] of VARYING) expected.copy(found, from, from, to)
  return found.equals(expected)
}

/** Reads what lies in slot `slot`. */
export function readSuperblock(bytes: Buffer, slot: number): SlotState {
  if (bytes.length < SUPERBLOCK_BYTES) return { state: 'bad' }
  if (bytes.toString('latin1', 0, 8) !== SUPERBLOCK_MAGIC) return { state: 'bad' }
  const hash = hash64(bytes.subarray(0, SUPERBLOCK.hash), 0n)
  if (hash !== bytes.readBigUInt64LE(SUPERBLOCK.hash)) return { state: 'bad' }
  const version = bytes.readUInt16LE(SUPERBLOCK.version)
  const draft = bytes.readUInt16LE(SUPERBLOCK.draft)
  if (version !== FORMAT_VERSION || draft !== 0) return { state: 'unknown', version, draft }
  if (bytes[SUPERBLOCK.slot] !== slot) return { state: 'bad' }
  return {
    state: 'valid',
    block: {
      slot,
      uuid: Buffer.from(bytes.subarray(SUPERBLOCK.uuid, SUPERBLOCK.uuid + 16)),
      salt: bytes.readBigUInt64LE(SUPERBLOCK.salt),
      generation: bytes.readUInt32LE(SUPERBLOCK.generation),
      flags: bytes.readUInt32LE(SUPERBLOCK.flags),
      sequence: readU64(bytes, SUPERBLOCK.sequence),
      durableEnd: readU64(bytes, SUPERBLOCK.durableEnd),
      lastGroupPosition: readU64(bytes, SUPERBLOCK.lastGroupPosition),
      lastGroupHash: bytes.readBigUInt64LE(SUPERBLOCK.lastGroupHash),
      commit: readU64(bytes, SUPERBLOCK.commit),
      checkpoint: {
        position: readU64(bytes, SUPERBLOCK.checkpointPosition),
        length: bytes.readUInt32LE(SUPERBLOCK.checkpointLength),
        hash: bytes.readBigUInt64LE(SUPERBLOCK.checkpointHash),
      },
      replayPosition: readU64(bytes, SUPERBLOCK.replayPosition),
      replayPreviousHash: bytes.readBigUInt64LE(SUPERBLOCK.replayPreviousHash),
      features: {
        read: bytes.readUInt32LE(SUPERBLOCK.featuresToRead),
        write: bytes.readUInt32LE(SUPERBLOCK.featuresToWrite),
        keep: bytes.readUInt32LE(SUPERBLOCK.featuresToKeep),
      },
    },
  }
}
