/**
 * Decodes a whole store file from FORMAT.md alone: nothing of the engine is imported, so that the two can only
 * agree by way of the text. Every rule of the text that can be checked is checked, and every byte is claimed
 * by one field. The file must end with a whole group: a torn tail is cut off by the caller.
 */
import { ClaimedBytes, Fields, FormatError } from './format-bytes.ts'
import {
  type Checkpoint,
  decodeRecord,
  type FileRecord,
  type Hash64,
  type Page,
  type ValueRecord,
} from './format-records.ts'

const SLOT_BYTES = 4096
const SUPERBLOCK_BYTES = 512
const GENESIS_POSITION = 8192
const HEADER_BYTES = 128
const MAX_GROUP_BYTES = 64 * 1024 * 1024
const GROUP_MAGIC = 0x3147464e
const GROUP_TYPES = ['none', 'genesis', 'commit', 'part', 'chunk'] as const

export interface Superblock {
  uuid: string
  salt: bigint
  generation: number
  closed: boolean
  sequence: number
  durableEnd: number
  lastGroup: { position: number; hash: bigint }
  lastCommit: number
  checkpoint: { position: number; length: number; hash: bigint }
  walkFrom: number
  walkPreviousHash: bigint
}

export interface GroupHeader {
  type: 'genesis' | 'commit' | 'part' | 'chunk'
  position: number
  length: number
  recordCount: number
  commit: number
  salt: bigint
  generation: number
  parts: number
  durableEnd: number
  previousHash: bigint
  payloadHash: bigint
  timeMs: number
  checkpoint: { position: number; length: number; hash: bigint }
  previousPosition: number
  hash: bigint
}

export interface Group extends GroupHeader {
  records: FileRecord[]
}

export interface Genesis {
  header: GroupHeader
  uuid: string
  firstGroup: number
  createdMs: number
}

export interface DecodedFile {
  superblocks: Superblock[]
  genesis: Genesis
  /** In the order of the file, without the genesis group. */
  groups: Group[]
  /** In the order of the file. */
  checkpoints: Checkpoint[]
  /** Pages by their own position, not that of their record. */
  pages: Map<number, Page>
  /** Records of values and indexes by the position of their type byte. */
  values: Map<number, ValueRecord>
  /** Ranges [start, end) that no field took: none in a file of this format. */
  unclaimed: [number, number][]
}

function decodeSuperblock(file: ClaimedBytes, slot: number, hash64: Hash64): Superblock {
  const start = slot * SLOT_BYTES
  const fields = new Fields(file, start, start + SLOT_BYTES)
  fields.expect((f) => f.bytes(8).toString('latin1'), 'NFBTREE\0', 'magic')
  fields.expect((f) => f.u16(), 1, 'version')
  fields.zeros(2)
  fields.expect((f) => f.u8(), slot, 'number of the slot')
  fields.zeros(3)
  const uuid = fields.bytes(16).toString('hex')
  const salt = fields.u64()
  const generation = fields.u32()
  const flags = fields.u32()
  if (flags > 1) throw new FormatError(start + 44, `flags ${flags}`)
  const sequence = fields.whole()
  const durableEnd = fields.whole()
  const lastGroup = { position: fields.whole(), hash: fields.u64() }
  const lastCommit = fields.whole()
  const checkpointPosition = fields.whole()
  const checkpointLength = fields.u32()
  fields.zeros(4)
  const checkpoint = { position: checkpointPosition, length: checkpointLength, hash: fields.u64() }
  const walkFrom = fields.whole()
  const walkPreviousHash = fields.u64()
  // Features, of which this text knows none.
  fields.zeros(12)
  fields.zeros(364)
  const expected = hash64(file.bytes.subarray(start, fields.position), 0n)
  fields.expect((f) => f.u64(), expected, 'hash of a superblock')
  fields.zeros(SLOT_BYTES - SUPERBLOCK_BYTES)
  fields.finish('a slot')
  const place = { uuid, salt, generation, closed: flags === 1, sequence, durableEnd }
  return { ...place, lastGroup, lastCommit, checkpoint, walkFrom, walkPreviousHash }
}

/** A group's header, its own hash and that of what lies behind it verified. */
function decodeHeader(file: ClaimedBytes, position: number, hash64: Hash64): GroupHeader {
  const fields = new Fields(file, position, position + HEADER_BYTES)
  fields.expect((f) => f.u32(), GROUP_MAGIC, 'magic')
  const typeNumber = fields.u8()
  const type = GROUP_TYPES[typeNumber] ?? 'none'
  if (type === 'none') throw new FormatError(position + 4, `group type ${typeNumber}`)
  fields.zeros(1)
  fields.expect((f) => f.u16(), HEADER_BYTES, 'length of the header')
  const length = fields.u32()
  if (length % 8 !== 0 || length < HEADER_BYTES || length > MAX_GROUP_BYTES) {
    throw new FormatError(position + 8, `a group of ${length} bytes`)
  }
  const recordCount = fields.u32()
  const commit = fields.whole()
  fields.expect((f) => f.whole(), position, 'own position')
  const salt = fields.u64()
  const seed = type === 'genesis' ? 0n : salt
  const generation = fields.u32()
  const parts = fields.u32()
  const durableEnd = fields.whole()
  const previousHash = fields.u64()
  const payloadHash = hash64(file.bytes.subarray(position + HEADER_BYTES, position + length), seed)
  fields.expect((f) => f.u64(), payloadHash, 'hash of what lies behind a header')
  const timeMs = fields.whole()
  const checkpointPosition = fields.whole()
  const checkpointHash = fields.u64()
  const checkpoint = { position: checkpointPosition, length: fields.u32(), hash: checkpointHash }
  fields.zeros(4)
  const previousPosition = fields.whole()
  fields.zeros(8)
  const hash = hash64(file.bytes.subarray(position, fields.position), seed)
  fields.expect((f) => f.u64(), hash, 'hash of a header')
  fields.finish('a header')
  const place = { type, position, length, recordCount, commit, salt, generation, parts, durableEnd }
  return { ...place, previousHash, payloadHash, timeMs, checkpoint, previousPosition, hash }
}

function decodeGenesis(file: ClaimedBytes, hash64: Hash64): Genesis {
  const header = decodeHeader(file, GENESIS_POSITION, hash64)
  const { type, length, position } = header
  if (type !== 'genesis' || header.recordCount !== 0) throw new FormatError(position, 'not a genesis group')
  const chain = [header.commit, header.parts, header.durableEnd, header.previousHash, header.previousPosition]
  if (chain.some((value) => Number(value) !== 0))
    throw new FormatError(position, 'a genesis group in a chain')
  const fields = new Fields(file, position + HEADER_BYTES, position + length)
  const uuid = fields.bytes(16).toString('hex')
  const firstGroup = fields.whole()
  const createdMs = fields.whole()
  const format = [fields.u16(), fields.u16(), fields.u32()]
  if (format.join() !== '1,0,0') throw new FormatError(position, `a genesis group of the format ${format}`)
  fields.finish('the genesis group')
  if (firstGroup !== position + length) throw new FormatError(position, 'a gap behind the genesis group')
  return { header, uuid, firstGroup, createdMs }
}

function decodeGroup(file: ClaimedBytes, position: number, hash64: Hash64): Group {
  const header = decodeHeader(file, position, hash64)
  const fields = new Fields(file, position + HEADER_BYTES, position + header.length)
  const records: FileRecord[] = []
  while (records.length < header.recordCount) records.push(decodeRecord(fields, hash64, header.salt))
  if (fields.left >= 8) throw new FormatError(fields.position, 'more than padding behind the records')
  fields.zeros(fields.left)
  return { ...header, records }
}

/** Which records a group of a type may hold, and in which order: operations, nodes, a checkpoint. */
function verifyRecords(group: Group): void {
  const ranks = { value: 0, index: 0, put: 0, delete: 0, tree: 0, node: 1, checkpoint: 2 }
  let rank = 0
  for (const { type } of group.records) {
    if (group.type === 'chunk' && type !== 'value' && type !== 'index') {
      throw new FormatError(group.position, `a ${type} in a chunk group`)
    }
    if (ranks[type] < rank) throw new FormatError(group.position, `a ${type} behind what comes later`)
    rank = ranks[type]
  }
}

/** What the chain of groups says up to here. */
interface Chain {
  last: GroupHeader
  /** Where the groups before this one end. */
  ends: Set<number>
  commit: number
  parts: number
  /** Newest complete, named by the commit groups before this one. */
  checkpoint: { position: number; length: number; hash: bigint }
}

function verifyChain(chain: Chain, group: Group, own: Checkpoint | undefined): void {
  const { last } = chain
  function must(holds: boolean, what: string): void {
    if (!holds) throw new FormatError(group.position, `a ${group.type} group: ${what}`)
  }
  must(group.type !== 'genesis', 'a second one')
  must(group.salt === last.salt, 'salt of another file')
  must(group.previousHash === last.hash, 'hash of the group before')
  must(group.previousPosition === last.position, 'position of the group before')
  must(group.generation >= last.generation, 'an older generation')
  must(chain.ends.has(group.durableEnd) && group.durableEnd >= last.durableEnd, 'durableEnd')
  must(group.commit === chain.commit + (group.type === 'chunk' ? 0 : 1), 'commit number')
  if (group.type === 'commit') must(group.parts === chain.parts, 'number of its parts')
  if (group.type === 'part') must(group.parts === chain.parts, 'number among the parts')
  if (group.type === 'chunk') must(group.parts === 0 && chain.parts === 0, 'between a commit and its parts')
  if (own !== undefined) must(group.type === 'commit', 'a checkpoint completed outside a commit group')
  const newest = own ?? chain.checkpoint
  must(group.checkpoint.position === newest.position, 'position of the newest checkpoint')
  must(group.checkpoint.length === newest.length, 'length of the newest checkpoint')
  must(group.checkpoint.hash === newest.hash, 'hash of the newest checkpoint')
  chain.last = group
  chain.ends.add(group.position + group.length)
  chain.checkpoint = group.checkpoint
  if (group.type === 'part') chain.parts++
  if (group.type !== 'commit') return
  chain.parts = 0
  chain.commit = group.commit
}

/** A superblock names groups and a checkpoint of the file, in agreement with them. */
function verifySuperblock(block: Superblock, file: DecodedFile): void {
  const { genesis, groups } = file
  const all: GroupHeader[] = [genesis.header, ...groups]
  function must(holds: boolean, what: string): void {
    if (!holds) throw new FormatError(0, `a superblock: ${what}`)
  }
  must(block.uuid === genesis.uuid && block.salt === genesis.header.salt, 'of another file')
  const below = all.filter((group) => group.position < block.durableEnd)
  const last = below.at(-1)
  must(last !== undefined && last.position + last.length === block.durableEnd, 'durableEnd inside a group')
  must(last?.position === block.lastGroup.position && last.hash === block.lastGroup.hash, 'the last group')
  const commits = below.filter((group) => group.type !== 'chunk' && group.type !== 'part')
  must(commits.at(-1)?.commit === block.lastCommit, 'the last commit')
  const checkpoint = file.checkpoints.filter((each) => each.position < block.durableEnd).at(-1)
  must(block.checkpoint.position === (checkpoint?.position ?? 0), 'position of the last checkpoint')
  must(block.checkpoint.length === (checkpoint?.length ?? 0), 'length of the last checkpoint')
  must(block.checkpoint.hash === (checkpoint?.hash ?? 0n), 'hash of the last checkpoint')
  const before = all.find((group) => group.position + group.length === block.walkFrom)
  must(before?.hash === block.walkPreviousHash, 'where the walk begins')
  must(block.walkFrom <= block.durableEnd, 'a walk that begins behind durableEnd')
  const replayFrom = checkpoint?.replayPosition ?? genesis.firstGroup
  const skipped = groups.filter((group) => group.position >= replayFrom && group.position < block.walkFrom)
  for (const { records } of skipped) {
    must(
      records.every(({ type }) => type === 'node' || type === 'checkpoint'),
      'a walk that skips operations',
    )
  }
}

/** What is replayed behind a checkpoint begins at a group, just behind the commit that it froze. */
function verifyCheckpoint(checkpoint: Checkpoint, { genesis, groups }: DecodedFile): void {
  const { position, replayPosition, replayPreviousHash, frozenCommit } = checkpoint
  const all: GroupHeader[] = [genesis.header, ...groups]
  const before = all.find((group) => group.position + group.length === replayPosition)
  if (before?.hash !== replayPreviousHash) throw new FormatError(position, 'where the replay begins')
  const commits = all.filter((group) => group.type === 'commit' && group.position < replayPosition)
  if ((commits.at(-1)?.commit ?? 0) !== frozenCommit) throw new FormatError(position, 'frozen commit')
}

/** Throws FormatError at the first byte that is not as FORMAT.md says. */
export function decodeFile(bytes: Buffer, hash64: Hash64): DecodedFile {
  const claimed = new ClaimedBytes(bytes)
  const superblocks = [0, 1].map((slot) => decodeSuperblock(claimed, slot, hash64))
  const genesis = decodeGenesis(claimed, hash64)
  const file: DecodedFile = {
    superblocks,
    genesis,
    groups: [],
    checkpoints: [],
    pages: new Map(),
    values: new Map(),
    unclaimed: [],
  }
  const none = { position: 0, length: 0, hash: 0n }
  const ends = new Set([genesis.firstGroup])
  const chain: Chain = { last: genesis.header, ends, commit: 0, parts: 0, checkpoint: none }
  for (let position = genesis.firstGroup; position < bytes.length; ) {
    const group = decodeGroup(claimed, position, hash64)
    let own: Checkpoint | undefined
    for (const record of group.records) {
      if (record.type === 'value' || record.type === 'index') file.values.set(record.position, record)
      if (record.type === 'node') file.pages.set(record.page.position, record.page)
      if (record.type !== 'checkpoint') continue
      own = record.checkpoint
      file.checkpoints.push(own)
    }
    verifyRecords(group)
    verifyChain(chain, group, own)
    file.groups.push(group)
    position += group.length
  }
  if (chain.parts !== 0) throw new FormatError(bytes.length, 'parts without their commit group')
  for (const block of superblocks) verifySuperblock(block, file)
  for (const checkpoint of file.checkpoints) verifyCheckpoint(checkpoint, file)
  file.unclaimed = claimed.unclaimed()
  return file
}
