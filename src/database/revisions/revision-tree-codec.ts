import { ByteFormatError, ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import { REVISION_ID_SIZE } from './revision-id.ts'
import { type RevisionNode, RevisionTree, type RevisionValue } from './revision-tree.ts'

// A revision tree in bytes. Numbers (n) and signed numbers (s) are those of src/base/byte-codec.ts.
//
//   u8  format version: 1
//   n   update sequence of the document
//   n   runs: as many as there are leaves, in the order of the leaves, the winner's first
//   for each run, a chain of revisions that ends in a leaf:
//     s   generation of the leaf
//     n   revisions in it
//     n   0 if it starts at a root; else 1 + the index of an earlier run, in which its parent is: the one
//         that is a generation above the first revision of this run
//     u8  bytes of each id, 1 to 254; 255 if they differ or are none or more
//         the ids, the leaf's first; with 255 each as n and so many bytes
//     n   values
//     for each value, the leaf's first:
//       n   revisions between the last one that had a value (or the leaf) and this one
//       u8  1 deleted + 2 has a body + 4 has attachments
//       s   update sequence of the document minus that of the revision
//       n   size
//       n   active size
//           the body's reference, if there is one: u8 and so many bytes
//           the attachments, if there are any: n and so many bytes
//
// The winner's id and value stand in front, so that `decodeWinner` reads no more than that.

const VERSION = 1
const MIXED_WIDTH = 255
const DELETED = 1
const HAS_BODY = 2
const HAS_ATTACHMENTS = 4
const KNOWN_FLAGS = DELETED | HAS_BODY | HAS_ATTACHMENTS

/** What most reads want of a document's revisions. */
export interface Winner extends RevisionValue {
  readonly pos: number
  /** A byte string, see revision-id.ts. */
  readonly id: string
  /** The update sequence of the document. */
  readonly updateSeq: number
  /** Leaves of the tree, the winner among them. */
  readonly leafCount: number
}

const writer = new ByteWriter()

/** The bytes of a tree that has at least one revision, and no leaf without a value. */
export function encodeTree(tree: RevisionTree): Buffer {
  const leaves = tree.leaves()
  writer.begin()
  writer.u8(VERSION)
  writer.number(tree.updateSeq)
  writer.number(leaves.length)
  const owners = new Map<RevisionNode, number>()
  for (const [index, leaf] of leaves.entries()) {
    const run: RevisionNode[] = []
    let node: RevisionNode | null = leaf
    while (node !== null && !owners.has(node)) {
      run.push(node)
      // A linear history is its only run: nothing will look for its owners.
      if (leaves.length > 1) owners.set(node, index)
      node = node.parent
    }
    encodeRun(run, node === null ? 0 : 1 + owners.get(node)!)
    encodeValues(run, tree.updateSeq)
  }
  return writer.take()
}

function encodeRun(run: readonly RevisionNode[], parent: number): void {
  writer.signed(run[0]!.pos)
  writer.number(run.length)
  writer.number(parent)
  const width = run[0]!.id.length
  let ids = ''
  let sameWidth = width > 0 && width < MIXED_WIDTH
  for (const { id } of run) {
    ids += id
    sameWidth &&= id.length === width
  }
  if (sameWidth) {
    writer.u8(width)
    writer.byteString(ids)
    return
  }
  writer.u8(MIXED_WIDTH)
  for (const { id } of run) {
    writer.number(id.length)
    writer.byteString(id)
  }
}

function encodeValues(run: readonly RevisionNode[], updateSeq: number): void {
  writer.number(run.reduce((count, { value }) => count + (value === null ? 0 : 1), 0))
  let skipped = 0
  for (const { value } of run) {
    if (value === null) {
      skipped++
      continue
    }
    writer.number(skipped)
    skipped = 0
    encodeValue(value, updateSeq)
  }
}

function encodeValue(value: RevisionValue, updateSeq: number): void {
  const { body, attachments } = value
  writer.u8(
    (value.deleted ? DELETED : 0) |
      (body === null ? 0 : HAS_BODY) |
      (attachments === null ? 0 : HAS_ATTACHMENTS),
  )
  writer.signed(updateSeq - value.seq)
  writer.number(value.size)
  writer.number(value.activeSize)
  if (body !== null) {
    writer.u8(body.length)
    writer.bytes(body)
  }
  if (attachments !== null) {
    writer.number(attachments.length)
    writer.bytes(attachments)
  }
}

/** Reads what `encodeTree` wrote; bodies and attachments are views. Throws ByteFormatError. */
export function decodeTree(bytes: Uint8Array): RevisionTree {
  const reader = new ByteReader(bytes)
  const { updateSeq, runCount } = decodeHead(reader)
  const nodes: RevisionNode[] = []
  const runs: RevisionNode[][] = []
  for (let i = 0; i < runCount; i++) {
    const run = decodeRun(reader, runs, nodes)
    decodeValues(reader, run, updateSeq)
    runs.push(run)
  }
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last run of revisions')
  return new RevisionTree(nodes, updateSeq)
}

/** Where the parts of the winning revision lie, and its numbers: filled by `placeWinner`, used again for many. */
export class WinnerPlace {
  updateSeq = 0
  leafCount = 0
  pos = 0
  idStart = 0
  idEnd = 0
  deleted = false
  /** The update sequence of the revision. */
  seq = 0
  size = 0
  activeSize = 0
  /** Negative: there is no body. */
  bodyStart = 0
  bodyEnd = 0
  /** As for the body. */
  attachmentsStart = 0
  attachmentsEnd = 0
}

const winnerReader = new ByteReader(Buffer.alloc(0))
const winnerPlace = new WinnerPlace()

/** Reads no more than the winning revision; body and attachments are views. Throws ByteFormatError. */
export function decodeWinner(given: Uint8Array): Winner {
  const bytes = Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.length)
  placeWinner(bytes, 0, bytes.length, winnerPlace)
  const { pos, idStart, idEnd, updateSeq, leafCount, deleted, seq, size, activeSize } = winnerPlace
  const { bodyStart, bodyEnd, attachmentsStart, attachmentsEnd } = winnerPlace
  return {
    pos,
    id: bytes.toString('latin1', idStart, idEnd),
    updateSeq,
    leafCount,
    deleted,
    seq,
    body: bodyStart < 0 ? null : bytes.subarray(bodyStart, bodyEnd),
    size,
    activeSize,
    attachments: attachmentsStart < 0 ? null : bytes.subarray(attachmentsStart, attachmentsEnd),
  }
}

/** Behind the number that `numberAt` read last. */
let nextAt = 0
/** Of a number's bytes behind the first. */
const LAST_SCALE = 0x80 ** 7

/** As `ByteReader.number`, of bytes that may have ended already; NaN for one of too many bytes. */
function numberAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) {
    nextAt = at + 1
    return first
  }
  const second = bytes[at + 1]!
  const low = (first & 0x7f) | ((second & 0x7f) << 7)
  if (second < 0x80) {
    nextAt = at + 2
    return low
  }
  const third = bytes[at + 2]!
  if (third < 0x80) {
    nextAt = at + 3
    return low | (third << 14)
  }
  return longNumberAt(bytes, at)
}

function longNumberAt(bytes: Buffer, at: number): number {
  nextAt = at
  let byte = bytes[nextAt++]!
  let value = byte & 0x7f
  for (let scale = 0x80; scale <= LAST_SCALE; scale *= 0x80) {
    byte = bytes[nextAt++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
  return Number.NaN
}

/** A signed number as it is told by a whole one. */
function unfolded(folded: number): number {
  return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2
}

/**
 * As `placeWinner`, of a winner with an id of the usual length and a body, and without attachments, which most are: every row of a listing
 * comes by here. False: it is another, or cannot be read.
 */
function placeUsual(bytes: Buffer, start: number, end: number, into: WinnerPlace): boolean {
  if (bytes[start] !== VERSION) return false
  const updateSeq = numberAt(bytes, start + 1)
  const leafCount = numberAt(bytes, nextAt)
  const folded = numberAt(bytes, nextAt)
  const count = numberAt(bytes, nextAt)
  const parent = numberAt(bytes, nextAt)
  let at = nextAt
  if (!(count > 0) || bytes[at] !== REVISION_ID_SIZE) return false
  const idStart = at + 1
  at = idStart + count * REVISION_ID_SIZE
  // Of values there are some, and the first is the leaf's.
  if (!(at < end) || !(numberAt(bytes, at) > 0) || bytes[nextAt] !== 0) return false
  at = nextAt + 1
  const flags = bytes[at]!
  if ((flags & ~DELETED) !== HAS_BODY) return false
  const behind = numberAt(bytes, at + 1)
  const size = numberAt(bytes, nextAt)
  const activeSize = numberAt(bytes, nextAt)
  const bodyStart = nextAt + 1
  const bodyEnd = bodyStart + bytes[nextAt]!
  into.updateSeq = updateSeq
  into.leafCount = leafCount
  into.pos = unfolded(folded)
  into.idStart = idStart
  into.idEnd = idStart + REVISION_ID_SIZE
  into.deleted = flags !== HAS_BODY
  into.seq = updateSeq - unfolded(behind)
  into.size = size
  into.activeSize = activeSize
  into.bodyStart = bodyStart
  into.bodyEnd = bodyEnd
  into.attachmentsStart = -1
  // Not a number where one of these is none.
  const numbers = updateSeq + leafCount + folded + count + parent + behind + size + activeSize
  return bodyEnd <= end && numbers >= 0
}

/** Says where the winning revision lies in the tree from `start` to `end` of `bytes`, and makes no object. Throws ByteFormatError. */
export function placeWinner(bytes: Buffer, start: number, end: number, into: WinnerPlace): void {
  if (placeUsual(bytes, start, end, into)) return
  const reader = winnerReader
  reader.moveTo(bytes, start, end)
  checkVersion(reader)
  into.updateSeq = reader.number()
  into.leafCount = reader.number()
  into.pos = reader.signed()
  const count = reader.number()
  reader.number()
  const width = idWidth(reader)
  const idBytes = width === MIXED_WIDTH ? reader.number() : width
  into.idStart = reader.skip(idBytes)
  into.idEnd = into.idStart + idBytes
  if (width === MIXED_WIDTH) for (let i = 1; i < count; i++) reader.skip(reader.number())
  else reader.skip((count - 1) * width)
  if (reader.number() === 0 || reader.number() !== 0) throw new ByteFormatError('the winner has no value')
  const flags = reader.u8()
  checkFlags(flags)
  into.deleted = (flags & DELETED) !== 0
  into.seq = into.updateSeq - reader.signed()
  into.size = reader.number()
  into.activeSize = reader.number()
  into.bodyStart = -1
  into.attachmentsStart = -1
  if ((flags & HAS_BODY) !== 0) {
    const size = reader.u8()
    into.bodyStart = reader.skip(size)
    into.bodyEnd = into.bodyStart + size
  }
  if ((flags & HAS_ATTACHMENTS) !== 0) {
    const size = reader.number()
    into.attachmentsStart = reader.skip(size)
    into.attachmentsEnd = into.attachmentsStart + size
  }
}

function checkVersion(reader: ByteReader): void {
  const version = reader.u8()
  if (version !== VERSION) throw new ByteFormatError(`revision tree of format version ${version}`)
}

function checkFlags(flags: number): void {
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new ByteFormatError(`unknown flags of a revision: ${flags}`)
}

function decodeHead(reader: ByteReader): { updateSeq: number; runCount: number } {
  checkVersion(reader)
  return { updateSeq: reader.number(), runCount: reader.number() }
}

function idWidth(reader: ByteReader): number {
  const width = reader.u8()
  // Without this check a damaged count could stand for any number of revisions that take no bytes.
  if (width === 0) throw new ByteFormatError('ids of no bytes')
  return width
}

/** Adds the run's nodes to `nodes`, and answers them, the leaf first. */
function decodeRun(
  reader: ByteReader,
  runs: readonly (readonly RevisionNode[])[],
  nodes: RevisionNode[],
): RevisionNode[] {
  const pos = reader.signed()
  const count = reader.number()
  const parent = reader.number()
  const width = idWidth(reader)
  if (count === 0) throw new ByteFormatError('a run without revisions')
  const ids = width === MIXED_WIDTH ? '' : reader.byteString(count * width)
  const run: RevisionNode[] = []
  for (let i = 0; i < count; i++) {
    const id =
      width === MIXED_WIDTH ? reader.byteString(reader.number()) : ids.slice(i * width, (i + 1) * width)
    const node: RevisionNode = { pos: pos - i, id, parent: null, children: i === 0 ? 0 : 1, value: null }
    if (i > 0) run[i - 1]!.parent = node
    run.push(node)
    nodes.push(node)
  }
  if (parent > 0) attach(run[count - 1]!, runs[parent - 1])
  return run
}

function attach(root: RevisionNode, run: readonly RevisionNode[] | undefined): void {
  const parent = run?.[run[0]!.pos - root.pos + 1]
  if (parent === undefined) throw new ByteFormatError('a run without its parent')
  root.parent = parent
  parent.children++
}

function decodeValues(reader: ByteReader, run: readonly RevisionNode[], updateSeq: number): void {
  const count = reader.number()
  let at = -1
  for (let i = 0; i < count; i++) {
    at += 1 + reader.number()
    const node = run[at]
    if (node === undefined) throw new ByteFormatError('a value beyond its run of revisions')
    node.value = decodeValue(reader, updateSeq)
  }
}

function decodeValue(reader: ByteReader, updateSeq: number): RevisionValue {
  const flags = reader.u8()
  checkFlags(flags)
  const seq = updateSeq - reader.signed()
  const size = reader.number()
  const activeSize = reader.number()
  const body = flags & HAS_BODY ? reader.bytes(reader.u8()) : null
  const attachments = flags & HAS_ATTACHMENTS ? reader.bytes(reader.number()) : null
  return { deleted: (flags & DELETED) !== 0, seq, body, size, activeSize, attachments }
}
