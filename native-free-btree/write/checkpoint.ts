/**
 * Checkpoints: the dirty nodes of all trees as of one commit (frozen when the checkpoint starts), written a
 * little with every group, children before parents, and at last a record that names the roots. Invariants:
 * - A checkpoint record names the trees as they were at `frozenCommit`; whoever starts from it replays every
 *   group from `replayPosition` on, which is the first one after that commit, not the first after the record.
 * - A node's pointer becomes usable only when the group that holds it is durable (`confirm`); when that group
 *   fails, `revert` forgets it and the walk begins again, passing what is in the file already.
 */

import type { PageSource } from '../cache/page-source.ts'
import { ByteReader, ByteWriter } from '../disk/bytes.ts'
import { invariant } from '../errors.ts'
import { RECORD_CHECKPOINT } from '../format.ts'
import type { GroupBuilder } from '../log/builder.ts'
import type { CheckpointPointer } from '../log/group.ts'
import { MutableNode } from '../page/mutable-node.ts'
import type { NodePointer } from '../page/pointer.ts'
import { readDefinition, type TreeDefinition, writeDefinition } from '../tree/definition.ts'
import { reductionOf } from '../tree/reader.ts'
import type { Root, Share } from '../tree/shares.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'

export interface ReplayStart {
  position: number
  previousHash: bigint
}

/** What a checkpoint record says. */
export interface CheckpointRecord {
  frozenCommit: number
  replay: ReplayStart
  trees: { definition: TreeDefinition; root: NodePointer | undefined }[]
}

/**
 * Body: frozen commit u48, replay position u48, hash of the group before it u64, number of trees u32; per
 * tree its definition, then u8 1 and the root's position u48, length u32, hash u64, count u48, bytes u48 and
 * reduction behind its u16 length, or u8 0 for an empty tree.
 */
export function encodeCheckpoint(record: CheckpointRecord): Buffer {
  const out = new ByteWriter()
  out.u48(record.frozenCommit)
  out.u48(record.replay.position)
  out.u64(record.replay.previousHash)
  out.u32(record.trees.length)
  for (const { definition, root } of record.trees) {
    writeDefinition(out, definition)
    out.u8(root === undefined ? 0 : 1)
    if (root === undefined) continue
    out.u48(root.position)
    out.u32(root.length)
    out.u64(root.hash)
    out.u48(root.count)
    out.u48(root.bytes)
    out.u16(root.reduction?.length ?? 0)
    if (root.reduction !== undefined) out.raw(root.reduction)
  }
  return out.view()
}

/** Throws RangeError when the bytes, whose hash has been verified, end too soon. */
export function decodeCheckpoint(bytes: Buffer): CheckpointRecord {
  const reader = new ByteReader(bytes)
  const frozenCommit = reader.u48()
  const replay = { position: reader.u48(), previousHash: reader.u64() }
  const trees: CheckpointRecord['trees'] = []
  for (let left = reader.u32(); left > 0; left--) {
    const definition = readDefinition(reader)
    if (reader.u8() === 0) {
      trees.push({ definition, root: undefined })
      continue
    }
    const root: NodePointer = {
      position: reader.u48(),
      length: reader.u32(),
      hash: reader.u64(),
      count: reader.u48(),
      bytes: reader.u48(),
      reduction: undefined,
    }
    const reduction = Buffer.from(reader.slice(reader.u16()))
    if (definition.reducerName !== '') root.reduction = reduction
    trees.push({ definition, root })
  }
  return { frozenCommit, replay, trees }
}

interface Frame {
  node: MutableNode
  tree: Tree
  next: number
}

/** One checkpoint from its start to the commit that completes it. */
export class RunningCheckpoint {
  readonly frozenCommit: number
  readonly replay: ReplayStart
  /** Memory of the nodes to write, as counted at the start: the measure of progress. */
  readonly frozenBytes: number
  writtenBytes = 0
  readonly #roots: { tree: Tree; root: Root; share: Share }[]
  readonly #source: PageSource
  readonly #values: ValueReader
  #stack: Frame[] = []
  #nextRoot = 0
  /** Nodes of the group that is being committed. */
  #pending: { node: MutableNode; memoryBytes: number; patched: boolean }[] = []
  #record: CheckpointPointer | undefined

  constructor(
    frozenCommit: number,
    replay: ReplayStart,
    frozenBytes: number,
    trees: Iterable<Tree>,
    source: PageSource,
    values: ValueReader,
  ) {
    this.frozenCommit = frozenCommit
    this.replay = replay
    this.frozenBytes = frozenBytes
    this.#source = source
    this.#values = values
    this.#roots = [...trees].map((tree) => {
      const share = tree.share()
      return { tree, root: share.root, share }
    })
  }

  /** Set when the group being committed holds the record that completes the checkpoint. */
  get record(): CheckpointPointer | undefined {
    return this.#record
  }

  /** Appends nodes until `bytes` of them are in the group; after the last, the checkpoint's record. */
  append(builder: GroupBuilder, bytes: number): void {
    let left = bytes
    while (left > 0) {
      const frame = this.#next()
      if (frame === undefined) {
        this.#record = builder.appendBlock(RECORD_CHECKPOINT, this.#encode())
        return
      }
      const { node, tree } = frame
      const reduction =
        tree.reducer === undefined ? undefined : reductionOf(node, tree, this.#source, this.#values)
      const memoryBytes = node.memoryBytes
      const patched = builder.appendNode(node, reduction)
      this.#pending.push({ node, memoryBytes, patched })
      left -= memoryBytes
    }
  }

  /** The group is durable. Returns the memory that was freed. */
  confirm(): number {
    let freed = 0
    for (const { node, memoryBytes, patched } of this.#pending) {
      invariant(node.pending !== undefined, 'a node was confirmed that was not written')
      this.#source.adopt(node.pending.position, node.keep(patched))
      node.release(node.pending)
      freed += memoryBytes
    }
    this.#pending = []
    this.writtenBytes += freed
    if (this.#record !== undefined) {
      for (const { tree, share } of this.#roots) {
        tree.unshare(share)
        tree.forgetWritten()
      }
    }
    return freed
  }

  /** The group was not kept. */
  revert(): void {
    for (const { node } of this.#pending) node.pending = undefined
    this.#pending = []
    this.#record = undefined
    this.#stack = []
    this.#nextRoot = 0
  }

  /** The next node whose children are all written, or undefined when none is left. */
  #next(): Frame | undefined {
    for (;;) {
      const top = this.#stack[this.#stack.length - 1]
      if (top === undefined) {
        const entry = this.#roots[this.#nextRoot]
        if (entry === undefined) return undefined
        this.#nextRoot += 1
        if (isUnwritten(entry.root)) this.#stack.push({ node: entry.root, tree: entry.tree, next: 0 })
        continue
      }
      const children = top.node.children
      if (children === undefined || top.next === children.length) {
        this.#stack.pop()
        return top
      }
      const child = children[top.next]
      top.next += 1
      if (isUnwritten(child)) this.#stack.push({ node: child, tree: top.tree, next: 0 })
    }
  }

  #encode(): Buffer {
    return encodeCheckpoint({
      frozenCommit: this.frozenCommit,
      replay: this.replay,
      trees: this.#roots.map(({ tree, root }) => ({
        definition: tree.definition,
        root: root instanceof MutableNode ? (root.pointer ?? root.pending) : root,
      })),
    })
  }
}

function isUnwritten(link: Root): link is MutableNode {
  return link instanceof MutableNode && link.pointer === undefined && link.pending === undefined
}
