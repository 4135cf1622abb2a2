/**
 * The bytes of the group that is being formed, in one buffer that is written at once. Invariants:
 * - Positions are final when they are given out: the buffer will lie at `base`.
 * - What a transaction appended can be taken back whole (`mark`, `rollback`) until the group is sealed.
 * - Records that do not fit in one group go out in part groups before the commit group, in the same write.
 */
import { types } from 'node:util'
import type { Reference } from '../api.ts'
import { ByteWriter, varintLength, writeVarint } from '../disk/bytes.ts'
import { hashOfPlaced, type SaltHalves, saltHalves } from '../disk/checksum.ts'
import { invariant, StorageError } from '../errors.ts'
import {
  BLOCK_HEADER_BYTES,
  GROUP_ALIGNMENT,
  GROUP_HEADER_BYTES,
  GROUP_PART,
  MAX_CHUNK_BYTES,
  MAX_GROUP_BYTES,
  MAX_KEY_BYTES,
  RECORD_DELETE,
  RECORD_INDEX,
  RECORD_NODE,
  RECORD_PUT,
  RECORD_VALUE,
  VALUE_HEADER_BYTES,
} from '../format.ts'
import { CellView, cellLength, readCell, writeCell } from '../page/cell.ts'
import type { MutableNode } from '../page/mutable-node.ts'
import { PATCH_SHARE } from '../page/origin.ts'
import { appendPatch } from '../page/patch.ts'
import { encodeReference, type ReferenceParts, readReference } from '../page/reference.ts'
import type { Tree } from '../tree/tree.ts'
import { writeValueHeader } from '../values/values.ts'
import { type CheckpointPointer, type GroupHeader, sealGroup } from './group.ts'
import { assertRecords } from './record-check.ts'

/** A group is closed as a part when the next record would take it beyond this. */
export const PART_BYTES = 4 * 1024 * 1024
/** The buffer is given back when a group has made it larger than this. */
const KEPT_BUFFER_BYTES = 8 * 1024 * 1024
/** The lists of operations are emptied when a group has made them longer. */
const KEPT_OPERATIONS = 64 * 1024

const view = new CellView()

interface Segment {
  start: number
  end: number
  recordCount: number
}

export interface Mark {
  length: number
  segments: number
  segmentStart: number
  recordCount: number
  operations: number
}

export function emptyMark(): Mark {
  return { length: 0, segments: 0, segmentStart: 0, recordCount: 0, operations: 0 }
}

export interface SealContext {
  type: number
  commit: number
  salt: bigint
  generation: number
  durableEnd: number
  previousHash: bigint
  previousPosition: number
  timestampMs: number
  checkpoint: CheckpointPointer
  /** For part groups: they may not name what comes after them. */
  checkpointBefore: CheckpointPointer
}

export interface SealedGroup {
  bytes: Buffer
  hash: bigint
  /** Of the last group in the buffer. */
  position: number
}

export class GroupBuilder {
  /** Position of the buffer's first byte in the file. */
  base = 0
  readonly #saltHalves: SaltHalves
  readonly #partBytes: number
  #out = new ByteWriter(64 * 1024)
  #limitBytes = MAX_GROUP_BYTES
  #segments: Segment[] = []
  #segmentStart = 0
  #recordCount = 0
  /**
   * Operations on trees, in order, and how many there are: the lists are as long as that of the largest group so far, for a list that
   * is emptied and filled again gets new memory each time.
   */
  operations = 0
  readonly trees: (Tree | undefined)[] = []
  /** The offset of a put's cell; -1 for a delete. */
  readonly offsets: number[] = []
  /** Where the key of each lies. */
  readonly keyStarts: number[] = []
  readonly keyEnds: number[] = []
  /** The leaf that `Tree.prepare` found for each. */
  readonly leaves: (MutableNode | undefined)[] = []

  constructor(salt: bigint, partBytes: number) {
    this.#saltHalves = saltHalves(salt)
    this.#partBytes = partBytes
  }

  /** With `inParts` false all records go into one group: streamed chunks belong to no commit. */
  begin(base: number, inParts = true): void {
    this.#limitBytes = inParts ? this.#partBytes : MAX_GROUP_BYTES
    if (this.#out.bytes.length > KEPT_BUFFER_BYTES) this.#out = new ByteWriter(64 * 1024)
    this.base = base
    this.#out.length = 0
    this.#segments = []
    this.#forgetFrom(0)
    if (this.trees.length > KEPT_OPERATIONS) this.#shorten()
    this.#startSegment()
  }

  get bytes(): Buffer {
    return this.#out.bytes
  }

  get length(): number {
    return this.#out.length
  }

  get isEmpty(): boolean {
    return this.#recordCount === 0 && this.#segments.length === 0
  }

  /** What `rollback` goes back to; `mark` is filled in and given back. */
  mark(mark: Mark = emptyMark()): Mark {
    mark.length = this.#out.length
    mark.segments = this.#segments.length
    mark.segmentStart = this.#segmentStart
    mark.recordCount = this.#recordCount
    mark.operations = this.operations
    return mark
  }

  rollback(mark: Mark): void {
    this.#out.length = mark.length
    this.#segments.length = mark.segments
    this.#segmentStart = mark.segmentStart
    this.#recordCount = mark.recordCount
    this.#forgetFrom(mark.operations)
  }

  /** Nothing is kept alive by an operation that is no more. */
  #forgetFrom(first: number): void {
    this.trees.fill(undefined, first, this.operations)
    this.leaves.fill(undefined, first, this.operations)
    this.operations = first
  }

  #shorten(): void {
    for (const list of [this.trees, this.offsets, this.keyStarts, this.keyEnds, this.leaves]) list.length = 0
  }

  #operation(tree: Tree, offset: number, keyStart: number, keyEnd: number): void {
    const number = this.operations
    this.trees[number] = tree
    this.offsets[number] = offset
    this.keyStarts[number] = keyStart
    this.keyEnds[number] = keyEnd
    this.leaves[number] = undefined
    this.operations = number + 1
  }

  #startSegment(): void {
    this.#segmentStart = this.#out.length
    this.#recordCount = 0
    this.#out.reserve(GROUP_HEADER_BYTES)
    this.#out.length += GROUP_HEADER_BYTES
  }

  #endSegment(): void {
    const out = this.#out
    const padding = (GROUP_ALIGNMENT - (out.length % GROUP_ALIGNMENT)) % GROUP_ALIGNMENT
    out.reserve(padding)
    out.bytes.fill(0, out.length, out.length + padding)
    out.length += padding
    this.#segments.push({ start: this.#segmentStart, end: out.length, recordCount: this.#recordCount })
  }

  /** Makes room for one record of `length` bytes and returns its offset. */
  #record(length: number): number {
    if (this.#recordCount > 0 && this.#out.length - this.#segmentStart + length > this.#limitBytes) {
      this.#endSegment()
      this.#startSegment()
    }
    this.#out.reserve(length)
    this.#recordCount += 1
    const offset = this.#out.length
    this.#out.length += length
    return offset
  }

  /**
   * Lengths of a caller's bytes are read once, here and below: another thread may make a `SharedArrayBuffer` longer.
   * What still writes more than its record has room for throws, and the operation is taken back.
   */
  put(tree: Tree, key: Uint8Array, payload: Uint8Array, isReference: boolean): void {
    const head = 1 + varintLength(tree.definition.id)
    const start = this.#record(head + cellLength(key.length, payload.length))
    const bytes = this.#out.bytes
    bytes[start] = RECORD_PUT
    const cell = writeVarint(bytes, start + 1, tree.definition.id)
    invariant(
      writeCell(bytes, cell, key, payload, isReference) === this.#out.length,
      'a put of another length',
    )
    readCell(bytes, cell, view)
    this.#operation(tree, cell, view.keyStart, view.keyEnd)
  }

  delete(tree: Tree, key: Uint8Array): void {
    const { length } = key
    const head = 1 + varintLength(tree.definition.id) + varintLength(length)
    const start = this.#record(head + length)
    const bytes = this.#out.bytes
    bytes[start] = RECORD_DELETE
    const at = writeVarint(bytes, writeVarint(bytes, start + 1, tree.definition.id), length)
    bytes.set(length === key.length ? key : key.subarray(0, length), at)
    this.#operation(tree, -1, at, at + length)
  }

  /** Finds the leaf of the last operation by the key as the record has it, whatever becomes of the caller's. */
  prepareLast(): void {
    const last = this.operations - 1
    this.leaves[last] = this.trees[last]!.prepare(this.#out.bytes, this.keyStarts[last]!, this.keyEnds[last]!)
  }

  /** Appends a value of any length, in one record or in chunks. */
  appendValue(value: Uint8Array): Buffer {
    const { length } = value
    if (length <= MAX_CHUNK_BYTES) return this.#appendRecord(RECORD_VALUE, value, length, false)
    const chunks: Buffer[] = []
    for (let at = 0; at < length; at += MAX_CHUNK_BYTES) {
      const chunk = value.subarray(at, Math.min(at + MAX_CHUNK_BYTES, length))
      chunks.push(this.#appendRecord(RECORD_VALUE, chunk, chunk.length, false))
    }
    return this.appendIndex(chunks, length)
  }

  /** Appends the list of a value's chunks and returns the reference to the whole. */
  appendIndex(chunks: readonly Reference[], length: number): Buffer {
    return this.#appendRecord(RECORD_INDEX, Buffer.concat(chunks), length, true)
  }

  #appendRecord(type: number, bytes: Uint8Array, length: number, chunked: boolean): Buffer {
    const size = bytes.length
    const start = this.#record(VALUE_HEADER_BYTES + size)
    const position = this.base + start
    const out = this.#out.bytes
    const from = start + VALUE_HEADER_BYTES
    out.set(size === bytes.length ? bytes : bytes.subarray(0, size), from)
    // What lies in memory that another thread may write is hashed as it was copied.
    const own = types.isSharedArrayBuffer(bytes.buffer) ? out.subarray(from, from + size) : bytes
    const check = writeValueHeader(out, start, type, own, this.#saltHalves, position)
    return encodeReference({ position, length, chunked, check })
  }

  /** Whether the bytes behind a reference are in this buffer, not in the file yet. */
  holds(reference: ReferenceParts): boolean {
    return reference.position >= this.base
  }

  /** The bytes behind a reference that this buffer holds. */
  pendingValue(reference: ReferenceParts): Buffer {
    const start = reference.position - this.base
    const length = this.#out.bytes.readUInt32LE(start + 1)
    const bytes = this.#out.bytes.subarray(start + VALUE_HEADER_BYTES, start + VALUE_HEADER_BYTES + length)
    if (!reference.chunked) return Buffer.from(bytes)
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 16) parts.push(this.pendingValue(readReference(bytes, at)))
    return Buffer.concat(parts)
  }

  /** Appends a node, whole or as a patch, and notes in it where it will lie. Returns whether it is a patch. */
  appendNode(node: MutableNode, reduction: Uint8Array | undefined): boolean {
    node.settle()
    const start = this.#record(BLOCK_HEADER_BYTES)
    this.#out.bytes[start] = RECORD_NODE
    const pageStart = this.#out.length
    const patched = appendPatch(node, this.#out, node.size * PATCH_SHARE)
    if (!patched) node.serialize(this.#out)
    const page = this.#out.bytes.subarray(pageStart, this.#out.length)
    this.#out.bytes.writeUInt32LE(page.length, start + 1)
    const position = this.base + pageStart
    node.pending = {
      position,
      length: page.length,
      hash: hashOfPlaced(page, this.#saltHalves, position),
      count: node.count,
      bytes: node.bytes,
      reduction,
    }
    return patched
  }

  /** Appends a record that is found by position and hash, or only replayed. */
  appendBlock(type: number, body: Uint8Array): CheckpointPointer {
    const start = this.#record(BLOCK_HEADER_BYTES + body.length)
    this.#out.bytes[start] = type
    this.#out.bytes.writeUInt32LE(body.length, start + 1)
    this.#out.bytes.set(body, start + BLOCK_HEADER_BYTES)
    const position = this.base + start + BLOCK_HEADER_BYTES
    return { position, length: body.length, hash: hashOfPlaced(body, this.#saltHalves, position) }
  }

  bytesOf(_index: number): Buffer {
    return this.#out.bytes
  }

  keyStart(index: number): number {
    return this.keyStarts[index]!
  }

  keyEnd(index: number): number {
    return this.keyEnds[index]!
  }

  /** The key of operation `index`: a view into the buffer. */
  keyOf(index: number): Buffer {
    return this.#out.bytes.subarray(this.keyStarts[index]!, this.keyEnds[index]!)
  }

  /** Completes the headers. All groups but the last are parts of it. */
  seal(context: SealContext): SealedGroup {
    this.#endSegment()
    let hash = context.previousHash
    let previousPosition = context.previousPosition
    const last = this.#segments.length - 1
    for (const [index, segment] of this.#segments.entries()) {
      const group = this.#out.bytes.subarray(segment.start, segment.end)
      invariant(group.length <= MAX_GROUP_BYTES, `a group of ${group.length} bytes`)
      assertRecords(group, segment.recordCount)
      const header: Omit<GroupHeader, 'hash' | 'payloadHash' | 'length'> = {
        type: index === last ? context.type : GROUP_PART,
        recordCount: segment.recordCount,
        commit: context.commit,
        position: this.base + segment.start,
        salt: context.salt,
        generation: context.generation,
        parts: index,
        durableEnd: context.durableEnd,
        previousHash: hash,
        previousPosition,
        timestampMs: context.timestampMs,
        checkpoint: index === last ? context.checkpoint : context.checkpointBefore,
      }
      hash = sealGroup(group, header)
      previousPosition = header.position
    }
    return { bytes: this.#out.view(), hash, position: previousPosition }
  }
}

export function assertKey(key: Uint8Array): void {
  if (key.length > MAX_KEY_BYTES) {
    throw new StorageError(
      'KEY_TOO_LARGE',
      `a key of ${key.length} bytes; the longest allowed has ${MAX_KEY_BYTES}`,
    )
  }
}
