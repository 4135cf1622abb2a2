/** Superblocks, groups and records as fields, with the names that FORMAT.md gives them. */

import { ByteReader } from '../disk/bytes.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import {
  GENESIS_POSITION,
  GROUP_CHUNK,
  GROUP_COMMIT,
  GROUP_GENESIS,
  GROUP_HEADER_BYTES,
  GROUP_PART,
  NODE_LEAF,
  PATCH_INNER,
  PATCH_LEAF,
  RECORD_CHECKPOINT,
  RECORD_DELETE,
  RECORD_INDEX,
  RECORD_NODE,
  RECORD_PUT,
  RECORD_TREE,
  RECORD_VALUE,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_POSITIONS,
} from '../format.ts'
import type { DescribedField, DescribedGroup, DescribedRecord } from '../inspection.ts'
import { type GroupHeader, payloadMatches, readGroupHeader } from '../log/group.ts'
import { passRecord } from '../log/records.ts'
import { FieldReader } from './described-fields.ts'

const GROUP_TYPES: Record<number, string> = {
  [GROUP_GENESIS]: 'genesis',
  [GROUP_COMMIT]: 'commit',
  [GROUP_PART]: 'part',
  [GROUP_CHUNK]: 'chunk',
}

const RECORD_TYPES: Record<number, string> = {
  [RECORD_VALUE]: 'value',
  [RECORD_PUT]: 'put',
  [RECORD_DELETE]: 'delete',
  [RECORD_NODE]: 'node',
  [RECORD_CHECKPOINT]: 'checkpoint',
  [RECORD_TREE]: 'tree',
  [RECORD_INDEX]: 'index',
}

/** Fields of a checkpoint for so many trees. */
const SHOWN_TREES = 64

const named = (names: Record<number, string>) => (value: number) => `${value} (${names[value] ?? 'unknown'})`
const time = (ms: number): string => `${ms} (${ms < 8.64e15 ? new Date(ms).toISOString() : 'no time'})`

export async function describeSuperblocks(file: StorageFile): Promise<DescribedField[][]> {
  const slots: DescribedField[][] = []
  for (const position of SUPERBLOCK_POSITIONS) {
    const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
    await file.read(bytes, position)
    const fields = new FieldReader(bytes, position)
    fields.all([
      ['8 bytes', 'magic'],
      ['u16', 'format version'],
      ['u16', 'zero'],
      ['u8', 'number of this slot'],
      ['3 bytes', 'zero'],
      ['16 bytes', 'uuid of the store'],
      ['hash', 'salt'],
      ['u32', 'generation'],
    ])
    fields.number('u32', 'flags', (flags) => `${flags}${(flags & 1) === 1 ? ' (closed in good order)' : ''}`)
    fields.all([
      ['u64', 'sequence'],
      ['u64', 'durableEnd'],
      ['u64', 'position of the last group below durableEnd'],
      ['hash', 'header hash of that group'],
      ['u64', 'number of the last commit below durableEnd'],
      ['u64', "position of the last checkpoint's record body"],
      ['u32', 'its length'],
      ['4 bytes', 'zero'],
      ['hash', 'its hash'],
      ['u64', 'where the walk over the groups begins'],
      ['hash', 'header hash of the group before that position'],
      ['u32', 'features needed to read'],
      ['u32', 'features needed to write'],
      ['u32', 'other features'],
      ['364 bytes', 'zero, reserved'],
      ['hash', 'hash of bytes 0 to 503'],
    ])
    slots.push(fields.fields)
  }
  return slots
}

/** The whole group that begins at `position`. Throws NOT_FOUND. */
export async function describeGroup(
  file: StorageFile,
  salt: bigint,
  position: number,
  { most, at }: { most: number; at: number | undefined },
): Promise<DescribedGroup> {
  const { header, bytes } = await readGroup(file, salt, position)
  const isGenesis = header.type === GROUP_GENESIS
  const type = GROUP_TYPES[header.type] ?? 'unknown'
  const fields = headerFields(bytes, header)
  const records = isGenesis ? [] : describeRecords(bytes, header, most, at)
  const { length, recordCount } = header
  const previous = isGenesis ? undefined : header.previousPosition
  return { position, length, type, fields, recordCount, records, previous }
}

async function readGroup(
  file: StorageFile,
  salt: bigint,
  position: number,
): Promise<{ header: GroupHeader; bytes: Buffer }> {
  const missing = (): StorageError =>
    new StorageError('NOT_FOUND', `no whole group begins at ${position}`, { position })
  const head = Buffer.alloc(GROUP_HEADER_BYTES)
  const read = await file.read(head, position)
  const ownSalt = position === GENESIS_POSITION ? undefined : salt
  const header = readGroupHeader(head.subarray(0, read), 0, position, ownSalt)
  if (header === undefined || position + header.length > file.size()) throw missing()
  const bytes = Buffer.allocUnsafeSlow(header.length)
  await file.read(bytes, position)
  if (!payloadMatches(header, bytes.subarray(GROUP_HEADER_BYTES))) throw missing()
  return { header, bytes }
}

function headerFields(bytes: Buffer, { position, type }: GroupHeader): DescribedField[] {
  const fields = new FieldReader(bytes, position)
  fields.bytes(4, 'NFG1')
  fields.number('u8', 'type', named(GROUP_TYPES))
  fields.all([
    ['u8', 'flags'],
    ['u16', 'length of the header'],
    ['u32', 'length of the group'],
    ['u32', 'number of records'],
    ['u64', 'commit number'],
    ['u64', "the group's own position"],
    ['hash', 'salt'],
    ['u32', 'generation'],
    ['u32', type === GROUP_PART ? 'number of this part' : 'number of part groups just before it'],
    ['u64', 'durableEnd'],
    ['hash', 'header hash of the group before'],
    ['hash', 'hash of everything behind the header'],
  ])
  fields.u64('time of the commit', time)
  fields.all([
    ['u64', "position of the newest complete checkpoint's record body"],
    ['hash', 'its hash'],
    ['u32', 'its length'],
    ['4 bytes', 'zero'],
    ['u64', 'position of the group before'],
    ['8 bytes', 'zero, reserved'],
    ['hash', 'hash of bytes 0 to 119'],
  ])
  if (type !== GROUP_GENESIS) return fields.fields
  fields.bytes(16, 'uuid')
  fields.u64('position of the first group')
  fields.u64('time of creation', time)
  fields.all([
    ['u16', 'format version'],
    ['u16', 'zero'],
    ['4 bytes', 'zero'],
  ])
  return fields.fields
}

/** Of a group that was verified, so that nothing of it can be misread but by a mistake of its writer. */
function describeRecords(
  bytes: Buffer,
  { position, recordCount }: GroupHeader,
  most: number,
  at = 0,
): DescribedRecord[] {
  const records: DescribedRecord[] = []
  const reader = new ByteReader(bytes, GROUP_HEADER_BYTES)
  for (let left = recordCount; left > 0 && records.length < most; left--) {
    const from = reader.at
    const type = passRecord(reader)
    if (position + reader.at <= at) continue
    records.push({
      position: position + from,
      length: reader.at - from,
      type: RECORD_TYPES[type]!,
      fields: recordFields(bytes.subarray(from, reader.at), position + from),
    })
  }
  return records
}

function recordFields(record: Buffer, position: number): DescribedField[] {
  const fields = new FieldReader(record, position)
  const type = fields.number('u8', 'type', named(RECORD_TYPES))
  if (type === RECORD_PUT) {
    fields.number('varint', 'tree id')
    cellFields(fields)
  } else if (type === RECORD_DELETE) {
    fields.number('varint', 'tree id')
    fields.bytes(fields.number('varint', 'length of the key'), 'key')
  } else {
    const length = fields.number('u32', 'length')
    if (type === RECORD_VALUE || type === RECORD_INDEX) fields.hash('hash of the bytes')
    if (type === RECORD_NODE) pageFields(fields)
    else if (type === RECORD_CHECKPOINT) checkpointFields(fields)
    else if (type === RECORD_TREE) definitionFields(fields, '')
    else fields.bytes(length, 'the bytes')
  }
  return fields.fields
}

/** A leaf's cell. */
function cellFields(fields: FieldReader): void {
  const keyLength = fields.number('varint', 'key length')
  const tag = fields.number('varint', 'tag', (value) =>
    value % 2 === 1 ? `${value} (a reference)` : `${value} (a value of ${value / 2} bytes)`,
  )
  fields.bytes(keyLength, 'key')
  if (tag % 2 === 1) fields.reference('reference')
  else fields.bytes(tag / 2, 'value')
}

const PAGE_KINDS: Record<number, string> = {
  1: 'leaf',
  2: 'inner',
  3: 'patch of a leaf',
  4: 'patch of an inner node',
}

/** Its cells are told of by the node that the page is, whose tree knows what is in them. */
function pageFields(fields: FieldReader): void {
  const kind = fields.number('u8', 'kind', named(PAGE_KINDS))
  if (kind === PATCH_LEAF || kind === PATCH_INNER) {
    fields.all([
      ['u8', 'zero'],
      ['u16', 'number of changes'],
      ['u32', 'length of the patch'],
      ['u48', 'position of the base'],
      ['u32', 'length of the base'],
      ['hash', 'hash of the base at its position'],
    ])
  } else {
    const flags = fields.number('u8', 'flags')
    const cells = fields.number('u16', 'number of cells')
    fields.all([
      ['u32', 'length of the page'],
      ['u16', 'prefix'],
      ['2 bytes', 'zero'],
    ])
    fields.bytes(cells * (flags % 2 === 1 ? 8 : 6), 'slots')
  }
  const { reader } = fields
  fields.bytes(reader.end - reader.at, kind > NODE_LEAF + 1 ? 'the changes' : 'the cells')
}

function definitionFields(fields: FieldReader, prefix: string): void {
  fields.number('u32', `${prefix}tree id`)
  fields.text(`${prefix}name`)
  fields.text(`${prefix}comparator's name`)
  fields.number('u32', `${prefix}version`)
  fields.text(`${prefix}reducer's name`)
  fields.number('u32', `${prefix}version`)
  fields.bytes(fields.number('u16', `${prefix}length of the attributes`), `${prefix}attributes`)
}

function checkpointFields(fields: FieldReader): void {
  fields.number('u48', 'frozen commit')
  fields.number('u48', 'replay position')
  fields.hash('header hash of the group before it')
  const trees = fields.number('u32', 'number of trees')
  for (let i = 0; i < Math.min(trees, SHOWN_TREES); i++) {
    const prefix = `tree ${i}: `
    definitionFields(fields, prefix)
    if (fields.number('u8', `${prefix}has a root`) === 0) continue
    fields.number('u48', `${prefix}position of the root`)
    fields.number('u32', `${prefix}its length`)
    fields.hash(`${prefix}its hash`)
    fields.number('u48', `${prefix}count`)
    fields.number('u48', `${prefix}bytes`)
    fields.bytes(fields.number('u16', `${prefix}length of the reduction`), `${prefix}reduction`)
  }
}
