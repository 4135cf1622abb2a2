/**
 * Records, pages and what they are made of, decoded from FORMAT.md alone: nothing of the engine is imported,
 * so that the two can only agree by way of the text.
 */
import { type Fields, FormatError } from './format-bytes.ts'

/** xxh64 with a seed. */
export type Hash64 = (bytes: Uint8Array, seed: bigint) => bigint

export interface Reference {
  position: number
  length: number
  isIndex: boolean
  check: number
}

export interface LeafCell {
  key: Buffer
  value: Buffer | Reference
}

export interface Pointer {
  position: number
  length: number
  hash: bigint
  count: number
  bytes: number
  reduction: Buffer
}

export interface InnerCell {
  key: Buffer
  child: Pointer
}

export interface Page {
  position: number
  length: number
  hash: bigint
  /** Bytes that the keys share, and of each key the four behind them. */
  prefix: number
  heads: Buffer[]
  content: WholeContent | PatchContent
}

export type WholeContent = { kind: 'leaf'; cells: LeafCell[] } | { kind: 'inner'; cells: InnerCell[] }

/** A change: `passed` cells of the base stay, then one is left out, or one comes in, or one has another payload. */
export type Change<T> = { passed: number } & (
  | { kind: 'out' }
  | { kind: 'in'; cell: T }
  | { kind: 'payload'; of: (cell: T) => T }
)

export interface PatchContent {
  kind: 'patch'
  base: { position: number; length: number; hash: bigint }
  changes: { kind: 'leaf'; list: Change<LeafCell>[] } | { kind: 'inner'; list: Change<InnerCell>[] }
}

export interface Definition {
  id: number
  name: string
  comparator: string
  comparatorVersion: number
  reducer: string
  reducerVersion: number
  attributes: Buffer
}

export interface Checkpoint {
  /** Of the body, not of its record. */
  position: number
  length: number
  hash: bigint
  frozenCommit: number
  replayPosition: number
  replayPreviousHash: bigint
  trees: { definition: Definition; root: Pointer | undefined }[]
}

/** A value's or an index's record. */
export interface ValueRecord<T extends 'value' | 'index' = 'value' | 'index'> {
  type: T
  position: number
  hash: bigint
  bytes: Buffer
}

export type FileRecord =
  | ValueRecord<'value'>
  | ValueRecord<'index'>
  | { type: 'put'; tree: number; cell: LeafCell }
  | { type: 'delete'; tree: number; key: Buffer }
  | { type: 'node'; page: Page }
  | { type: 'checkpoint'; checkpoint: Checkpoint }
  | { type: 'tree'; definition: Definition }

const MAX_VALUE_BYTES = 1024 * 1024
const MAX_KEY_BYTES = 65_536
const REFERENCE_TAG = 33
const INDEX_BIT = 2 ** 47
const POINTER_BYTES = 30

/** One hash of the file: of `bytes` that lie, or count as lying, at `position`. */
function hashAt(hash64: Hash64, salt: bigint, bytes: Buffer, position: number): bigint {
  return hash64(bytes, salt ^ BigInt(position))
}

/** A reference among `fields`, or one that a caller found inside a value. */
export function decodeReference(bytes: Buffer): Reference {
  const length = bytes.readUIntLE(6, 6)
  const isIndex = length >= INDEX_BIT
  return {
    position: bytes.readUIntLE(0, 6),
    length: isIndex ? length - INDEX_BIT : length,
    isIndex,
    check: bytes.readUInt32LE(12),
  }
}

function decodeKey(fields: Fields, length: number): Buffer {
  if (length > MAX_KEY_BYTES) throw new FormatError(fields.position, `a key of ${length} bytes`)
  return fields.bytes(length)
}

function decodeLeafCell(fields: Fields): LeafCell {
  const keyLength = fields.varint()
  const tag = fields.varint()
  const key = decodeKey(fields, keyLength)
  if (tag === REFERENCE_TAG) return { key, value: decodeReference(fields.bytes(16)) }
  if (tag % 2 !== 0) throw new FormatError(fields.position, `tag ${tag} in a leaf`)
  return { key, value: fields.bytes(tag / 2) }
}

function decodePointer(fields: Fields, reductionLength: number): Pointer {
  return {
    position: fields.u48(),
    length: fields.u32(),
    hash: fields.u64(),
    count: fields.u48(),
    bytes: fields.u48(),
    reduction: fields.bytes(reductionLength),
  }
}

function decodeInnerCell(fields: Fields): InnerCell {
  const keyLength = fields.varint()
  const tag = fields.varint()
  if (tag % 2 !== 0) throw new FormatError(fields.position, `tag ${tag} in an inner node`)
  const key = decodeKey(fields, keyLength)
  return { key, child: decodePointer(fields, tag / 2 - POINTER_BYTES) }
}

function decodeLeafPayload(fields: Fields): (cell: LeafCell) => LeafCell {
  const tag = fields.varint()
  const value = tag === REFERENCE_TAG ? decodeReference(fields.bytes(16)) : fields.bytes(tag / 2)
  return ({ key }) => ({ key, value })
}

function decodeInnerPayload(fields: Fields): (cell: InnerCell) => InnerCell {
  const child = decodePointer(fields, fields.varint() / 2 - POINTER_BYTES)
  return ({ key }) => ({ key, child })
}

function decodePatch(fields: Fields, length: number, kind: number): PatchContent {
  fields.zeros(1)
  const count = fields.u16()
  fields.expect((f) => f.u32(), length, 'length of the patch')
  const base = { position: fields.u48(), length: fields.u32(), hash: fields.u64() }
  function changes<T>(
    decode: (fields: Fields) => T,
    decodePayload: (fields: Fields) => (cell: T) => T,
  ): Change<T>[] {
    return Array.from({ length: count }, () => {
      const number = fields.varint()
      const passed = Math.floor(number / 4)
      if (number % 4 === 0) return { passed, kind: 'out' as const }
      if (number % 4 === 1) return { passed, kind: 'in' as const, cell: decode(fields) }
      if (number % 4 === 2) return { passed, kind: 'payload' as const, of: decodePayload(fields) }
      throw new FormatError(fields.position, 'kind of a change')
    })
  }
  const list =
    kind === 3
      ? { kind: 'leaf' as const, list: changes(decodeLeafCell, decodeLeafPayload) }
      : { kind: 'inner' as const, list: changes(decodeInnerCell, decodeInnerPayload) }
  return { kind: 'patch', base, changes: list }
}

/** `fields` are the page's bytes and no more. */
function decodePage(fields: Fields, hash: bigint): Page {
  const start = fields.position
  const length = fields.left
  const kind = fields.u8()
  if (kind === 3 || kind === 4) {
    const content = decodePatch(fields, length, kind)
    return { position: start, length, hash, prefix: 0, heads: [], content }
  }
  const flags = fields.u8()
  if (flags > 1) throw new FormatError(start + 1, `flags ${flags} of a page`)
  const count = fields.u16()
  fields.expect((f) => f.u32(), length, 'length of the page')
  const prefix = fields.u16()
  fields.zeros(2)
  const heads: Buffer[] = []
  const slots = Array.from({ length: count }, () => {
    const slot = flags === 1 ? fields.u32() : fields.u16()
    heads.push(Buffer.from(fields.bytes(4)))
    return slot
  })
  function cells<T>(decode: (fields: Fields) => T): T[] {
    const decoded: T[] = []
    const inPlace = slots.map((slot, index) => ({ slot, index })).sort((a, b) => a.slot - b.slot)
    for (const { slot, index } of inPlace) {
      if (start + slot !== fields.position) throw new FormatError(fields.position, `a slot says ${slot}`)
      decoded[index] = decode(fields)
    }
    return decoded
  }
  const page = { position: start, length, hash, prefix, heads }
  if (kind === 1) return { ...page, content: { kind: 'leaf', cells: cells(decodeLeafCell) } }
  if (kind === 2) return { ...page, content: { kind: 'inner', cells: cells(decodeInnerCell) } }
  throw new FormatError(start, `kind ${kind} of a page`)
}

function decodeDefinition(fields: Fields): Definition {
  return {
    id: fields.u32(),
    name: fields.name(),
    comparator: fields.name(),
    comparatorVersion: fields.u32(),
    reducer: fields.name(),
    reducerVersion: fields.u32(),
    attributes: fields.bytes(fields.u16()),
  }
}

function decodeRoot(fields: Fields): Pointer | undefined {
  const present = fields.u8()
  if (present === 0) return undefined
  if (present !== 1) throw new FormatError(fields.position - 1, `${present} before a root`)
  const numbers = decodePointer(fields, 0)
  return { ...numbers, reduction: fields.bytes(fields.u16()) }
}

/** `fields` are the body's bytes and no more. */
function decodeCheckpoint(fields: Fields, hash: bigint): Checkpoint {
  const place = { position: fields.position, length: fields.left, hash }
  const head = {
    frozenCommit: fields.u48(),
    replayPosition: fields.u48(),
    replayPreviousHash: fields.u64(),
  }
  const count = fields.u32()
  const trees = Array.from({ length: count }, () => ({
    definition: decodeDefinition(fields),
    root: decodeRoot(fields),
  }))
  return { ...place, ...head, trees }
}

/** A part of `fields` behind a u32 length, the hash of its bytes, and what `decode` makes of it, in full. */
function decodeMeasured<T>(
  fields: Fields,
  hash64: Hash64,
  salt: bigint,
  decode: (part: Fields, hash: bigint) => T,
): T {
  const part = fields.part(fields.u32())
  const bytes = part.file.bytes.subarray(part.position, part.end)
  const decoded = decode(part, hashAt(hash64, salt, bytes, part.position))
  part.finish('a record')
  return decoded
}

function decodeValue<T extends 'value' | 'index'>(
  fields: Fields,
  type: T,
  hash64: Hash64,
  salt: bigint,
): ValueRecord<T> {
  const position = fields.position - 1
  const length = fields.u32()
  if (type === 'value' && length > MAX_VALUE_BYTES)
    throw new FormatError(position, `a value of ${length} bytes`)
  const hash = fields.u64()
  const bytes = fields.bytes(length)
  if (hash !== hashAt(hash64, salt, bytes, position)) throw new FormatError(position, 'hash of a value')
  return { type, position, hash, bytes }
}

/** The record at `fields.position`. Hashes of values are verified; those of pages are for who points there. */
export function decodeRecord(fields: Fields, hash64: Hash64, salt: bigint): FileRecord {
  const position = fields.position
  const type = fields.u8()
  switch (type) {
    case 1:
      return decodeValue(fields, 'value', hash64, salt)
    case 2:
      return { type: 'put', tree: fields.varint(), cell: decodeLeafCell(fields) }
    case 3:
      return { type: 'delete', tree: fields.varint(), key: decodeKey(fields, fields.varint()) }
    case 4:
      return { type: 'node', page: decodeMeasured(fields, hash64, salt, decodePage) }
    case 5:
      return { type: 'checkpoint', checkpoint: decodeMeasured(fields, hash64, salt, decodeCheckpoint) }
    case 6:
      return { type: 'tree', definition: decodeMeasured(fields, hash64, salt, decodeDefinition) }
    case 7:
      return decodeValue(fields, 'index', hash64, salt)
    default:
      throw new FormatError(position, `record type ${type}`)
  }
}
