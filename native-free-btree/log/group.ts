/**
 * Group headers: 128 bytes before each group's records. The header's hash covers the rest of the header,
 * hence the payload's hash, hence every byte of the group: a group is whole or it is nothing.
 */
import { hash64 } from '../disk/checksum.ts'
import { StorageError } from '../errors.ts'
import {
  GROUP,
  GROUP_CHUNK,
  GROUP_GENESIS,
  GROUP_HEADER_BYTES,
  GROUP_MAGIC,
  MAX_GROUP_BYTES,
} from '../format.ts'

/** Where a checkpoint's record lies. Position 0: there is none yet. */
export interface CheckpointPointer {
  position: number
  length: number
  hash: bigint
}

export const NO_CHECKPOINT: CheckpointPointer = { position: 0, length: 0, hash: 0n }

export interface GroupHeader {
  type: number
  /** Of the whole group: header, records and padding. */
  length: number
  recordCount: number
  commit: number
  position: number
  salt: bigint
  generation: number
  /** Commit: part groups just before it that belong to it. Part: its number, from 0. */
  parts: number
  /** Up to here `sync` had returned when the group was written. */
  durableEnd: number
  /** Header hash of the group before. */
  previousHash: bigint
  previousPosition: number
  payloadHash: bigint
  timestampMs: number
  checkpoint: CheckpointPointer
  hash: bigint
}

/** Fills in the header of the group that takes all of `group`; returns its hash. */
export function sealGroup(
  group: Buffer,
  header: Omit<GroupHeader, 'hash' | 'payloadHash' | 'length'>,
): bigint {
  const seed = header.type === GROUP_GENESIS ? 0n : header.salt
  group.fill(0, 0, GROUP_HEADER_BYTES)
  group.writeUInt32LE(GROUP_MAGIC, GROUP.magic)
  group[GROUP.type] = header.type
  group.writeUInt16LE(GROUP_HEADER_BYTES, GROUP.headerBytes)
  group.writeUInt32LE(group.length, GROUP.length)
  group.writeUInt32LE(header.recordCount, GROUP.recordCount)
  writeU64(group, header.commit, GROUP.commit)
  writeU64(group, header.position, GROUP.position)
  group.writeBigUInt64LE(header.salt, GROUP.salt)
  group.writeUInt32LE(header.generation, GROUP.generation)
  group.writeUInt32LE(header.parts, GROUP.parts)
  writeU64(group, header.durableEnd, GROUP.durableEnd)
  group.writeBigUInt64LE(header.previousHash, GROUP.previousHash)
  group.writeBigUInt64LE(hash64(group.subarray(GROUP_HEADER_BYTES), seed), GROUP.payloadHash)
  writeU64(group, header.timestampMs, GROUP.timestamp)
  writeU64(group, header.checkpoint.position, GROUP.checkpointPosition)
  group.writeBigUInt64LE(header.checkpoint.hash, GROUP.checkpointHash)
  group.writeUInt32LE(header.checkpoint.length, GROUP.checkpointLength)
  writeU64(group, header.previousPosition, GROUP.previousPosition)
  const hash = hash64(group.subarray(0, GROUP.headerHash), seed)
  group.writeBigUInt64LE(hash, GROUP.headerHash)
  return hash
}

/**
 * Reads the header at `offset` of `bytes`, which lies at `position` of the file. Undefined unless it is whole
 * and speaks of this place. `salt` undefined accepts a genesis header only, whose salt then counts. Throws
 * UNSUPPORTED_VERSION for a whole one that says what is not known here: it is neither torn nor damaged.
 */
export function readGroupHeader(
  bytes: Buffer,
  offset: number,
  position: number,
  salt: bigint | undefined,
): GroupHeader | undefined {
  if (offset + GROUP_HEADER_BYTES > bytes.length) return undefined
  if (bytes.readUInt32LE(offset) !== GROUP_MAGIC) return undefined
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES)
  const type = header[GROUP.type]!
  const ownSalt = header.readBigUInt64LE(GROUP.salt)
  if (salt === undefined ? type !== GROUP_GENESIS : ownSalt !== salt) return undefined
  if (readU64(header, GROUP.position) !== position) return undefined
  const hash = header.readBigUInt64LE(GROUP.headerHash)
  const seed = type === GROUP_GENESIS ? 0n : ownSalt
  if (hash64(header.subarray(0, GROUP.headerHash), seed) !== hash) return undefined
  const isKnown = type >= GROUP_GENESIS && type <= GROUP_CHUNK
  const headerBytes = header.readUInt16LE(GROUP.headerBytes)
  if (!isKnown || header[GROUP.flags] !== 0 || headerBytes !== GROUP_HEADER_BYTES) {
    throw new StorageError('UNSUPPORTED_VERSION', `a later version wrote the group at ${position}`, {
      position,
    })
  }
  const length = header.readUInt32LE(GROUP.length)
  if (length < GROUP_HEADER_BYTES || length > MAX_GROUP_BYTES) return undefined
  return {
    type,
    length,
    recordCount: header.readUInt32LE(GROUP.recordCount),
    commit: readU64(header, GROUP.commit),
    position,
    salt: ownSalt,
    generation: header.readUInt32LE(GROUP.generation),
    parts: header.readUInt32LE(GROUP.parts),
    durableEnd: readU64(header, GROUP.durableEnd),
    previousHash: header.readBigUInt64LE(GROUP.previousHash),
    previousPosition: readU64(header, GROUP.previousPosition),
    payloadHash: header.readBigUInt64LE(GROUP.payloadHash),
    timestampMs: readU64(header, GROUP.timestamp),
    checkpoint: {
      position: readU64(header, GROUP.checkpointPosition),
      length: header.readUInt32LE(GROUP.checkpointLength),
      hash: header.readBigUInt64LE(GROUP.checkpointHash),
    },
    hash,
  }
}

/** Whether the records behind a verified header are whole. */
export function payloadMatches(header: GroupHeader, payload: Uint8Array): boolean {
  const seed = header.type === GROUP_GENESIS ? 0n : header.salt
  return hash64(payload, seed) === header.payloadHash
}

/** A whole number below 2^53 in eight bytes. */
export function writeU64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value % 2 ** 32, offset)
  target.writeUInt32LE(Math.floor(value / 2 ** 32), offset + 4)
}

export function readU64(source: Buffer, offset: number): number {
  return source.readUInt32LE(offset) + source.readUInt32LE(offset + 4) * 2 ** 32
}
