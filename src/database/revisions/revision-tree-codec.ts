import { ByteFormatError, ByteReader, ByteWriter, MAX_NUMBER_SIZE } from '../../base/byte-codec.ts'
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

/** Reads no more than the winning revision; body and attachments are views. Throws ByteFormatError. */
export function decodeWinner(bytes: Uint8Array): Winner {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  findWinner(buffer, 0, buffer.length, found)
  const { pos, idAt, updateSeq, leafCount, isDeleted: deleted, seq, size, activeSize, bodyAt } = found
  const { attachmentsAt } = found
  return {
    pos,
    id: buffer.toString('latin1', idAt, idAt + found.idBytes),
    updateSeq,
    leafCount,
    deleted,
    seq,
    body: bodyAt < 0 ? null : buffer.subarray(bodyAt, bodyAt + found.bodyBytes),
    size,
    activeSize,
    attachments:
      attachmentsAt < 0 ? null : buffer.subarray(attachmentsAt, attachmentsAt + found.attachmentsBytes),
  }
}

/** What `Winner` has, as places in the bytes; -1 for what there is none of. A class, so that it has one shape. */
export class WinnerPlaces {
  pos = 0
  idAt = 0
  idBytes = 0
  updateSeq = 0
  leafCount = 0
  isDeleted = false
  seq = 0
  size = 0
  activeSize = 0
  bodyAt = -1
  bodyBytes = 0
  attachmentsAt = -1
  attachmentsBytes = 0
}

const found = new WinnerPlaces()

/** Where `findWinner` is, and what it reads. */
let source: Uint8Array = new Uint8Array(0)
let sourceStart = 0
let sourceAt = 0
let sourceEnd = 0

/** Reads as `decodeWinner`, of bytes `start` to `end`, and makes no object. Throws ByteFormatError. */
export function findWinner(bytes: Uint8Array, start: number, end: number, into: WinnerPlaces): void {
  source = bytes
  sourceStart = start
  sourceAt = start
  sourceEnd = end
  requireVersion(byteHere())
  into.updateSeq = numberHere()
  into.leafCount = numberHere()
  into.pos = unfolded(numberHere())
  const count = numberHere()
  numberHere()
  const width = requireWidth(byteHere())
  into.idBytes = width === MIXED_WIDTH ? numberHere() : width
  into.idAt = pass(into.idBytes)
  if (width === MIXED_WIDTH) for (let i = 1; i < count; i++) pass(numberHere())
  else pass((count - 1) * width)
  if (numberHere() === 0 || numberHere() !== 0) throw new ByteFormatError('the winner has no value')
  const flags = requireFlags(byteHere())
  into.isDeleted = (flags & DELETED) !== 0
  into.seq = into.updateSeq - unfolded(numberHere())
  into.size = numberHere()
  into.activeSize = numberHere()
  into.bodyBytes = flags & HAS_BODY ? byteHere() : 0
  into.bodyAt = flags & HAS_BODY ? pass(into.bodyBytes) : -1
  into.attachmentsBytes = flags & HAS_ATTACHMENTS ? numberHere() : 0
  into.attachmentsAt = flags & HAS_ATTACHMENTS ? pass(into.attachmentsBytes) : -1
}

/** Steps over so many bytes, and answers where they begin. */
function pass(bytes: number): number {
  const at = sourceAt
  if (at + bytes > sourceEnd) throw new ByteFormatError(`the bytes end at ${sourceEnd - sourceStart}`)
  sourceAt = at + bytes
  return at
}

function byteHere(): number {
  return source[pass(1)]!
}

/** As ByteReader reads it. */
function numberHere(): number {
  let value = 0
  let scale = 1
  for (let i = 0; i < MAX_NUMBER_SIZE; i++) {
    const byte = byteHere()
    if (byte < 0x80) return value + byte * scale
    value += (byte & 0x7f) * scale
    scale *= 0x80
  }
  throw new ByteFormatError(`a number of more than ${MAX_NUMBER_SIZE} bytes`)
}

function unfolded(folded: number): number {
  return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2
}

function requireVersion(version: number): void {
  if (version !== VERSION) throw new ByteFormatError(`revision tree of format version ${version}`)
}

function decodeHead(reader: ByteReader): { updateSeq: number; runCount: number } {
  requireVersion(reader.u8())
  return { updateSeq: reader.number(), runCount: reader.number() }
}

function requireWidth(width: number): number {
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
  const width = requireWidth(reader.u8())
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

function requireFlags(flags: number): number {
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new ByteFormatError(`unknown flags of a revision: ${flags}`)
  return flags
}

function decodeValue(reader: ByteReader, updateSeq: number): RevisionValue {
  const flags = requireFlags(reader.u8())
  const seq = updateSeq - reader.signed()
  const size = reader.number()
  const activeSize = reader.number()
  const body = flags & HAS_BODY ? reader.bytes(reader.u8()) : null
  const attachments = flags & HAS_ATTACHMENTS ? reader.bytes(reader.number()) : null
  return { deleted: (flags & DELETED) !== 0, seq, body, size, activeSize, attachments }
}
