/**
 * Named offsets and sizes of the file format. FORMAT.md describes every byte; a test decodes a committed
 * file against it.
 */

export const FORMAT_VERSION = 1

/** Bits that files of this format may have set: what they stand for is known here. See FORMAT.md, "Features". */
export const KNOWN_FEATURES = { read: 0, write: 0 } as const

export const SUPERBLOCK_MAGIC = 'NFBTREE\0'
export const SUPERBLOCK_BYTES = 512
export const SUPERBLOCK_POSITIONS = [0, 4096] as const
export const GENESIS_POSITION = 8192

export const SUPERBLOCK = {
  magic: 0,
  version: 8,
  /** Zero; drafts of version 1 had their number here. */
  draft: 10,
  slot: 12,
  uuid: 16,
  salt: 32,
  generation: 40,
  flags: 44,
  sequence: 48,
  durableEnd: 56,
  lastGroupPosition: 64,
  lastGroupHash: 72,
  commit: 80,
  checkpointPosition: 88,
  checkpointLength: 96,
  checkpointHash: 104,
  replayPosition: 112,
  replayPreviousHash: 120,
  featuresToRead: 128,
  featuresToWrite: 132,
  featuresToKeep: 136,
  hash: 504,
} as const

/** The store was closed in good order: both slots were written and nothing lies behind `durableEnd`. */
export const SUPERBLOCK_CLEAN = 1

export const GROUP_MAGIC = 0x3147464e // "NFG1"
export const GROUP_HEADER_BYTES = 128
/** Groups start at multiples of this. */
export const GROUP_ALIGNMENT = 8
/** No group is longer. */
export const MAX_GROUP_BYTES = 64 * 1024 * 1024

export const GROUP = {
  magic: 0,
  type: 4,
  flags: 5,
  headerBytes: 6,
  length: 8,
  recordCount: 12,
  commit: 16,
  position: 24,
  salt: 32,
  generation: 40,
  parts: 44,
  durableEnd: 48,
  previousHash: 56,
  payloadHash: 64,
  timestamp: 72,
  checkpointPosition: 80,
  checkpointHash: 88,
  checkpointLength: 96,
  previousPosition: 104,
  headerHash: 120,
} as const

export const GROUP_GENESIS = 1
export const GROUP_COMMIT = 2
/** Records of the transaction that the next commit group completes. */
export const GROUP_PART = 3
/** Chunks of streamed values; nothing to replay. */
export const GROUP_CHUNK = 4

export const RECORD_VALUE = 1
export const RECORD_PUT = 2
export const RECORD_DELETE = 3
export const RECORD_NODE = 4
export const RECORD_CHECKPOINT = 5
export const RECORD_TREE = 6
/** The list of a streamed value's chunks; framed as a value. */
export const RECORD_INDEX = 7

/** type u8, length u32, hash u64, then the bytes. */
export const VALUE_HEADER_BYTES = 13
/** type u8, length u32, then the bytes. */
export const BLOCK_HEADER_BYTES = 5

/** position u48, length u48 (top bit: chunked), check u32. */
export const REFERENCE_BYTES = 16

/** Longest key. */
export const MAX_KEY_BYTES = 65_536
/** Longest piece of a value in one record; longer values are cut into chunks of this. */
export const MAX_CHUNK_BYTES = 1024 * 1024

export const NODE_LEAF = 1
export const NODE_INNER = 2
/** Slots are four bytes wide. */
export const NODE_WIDE = 1
export const NODE_HEADER_BYTES = 12
export const PATCH_LEAF = 3
export const PATCH_INNER = 4
export const PATCH_HEADER_BYTES = 26

/** position u48, length u32, hash u64, count u48, bytes u48; the reduction follows. */
export const POINTER_BYTES = 30
