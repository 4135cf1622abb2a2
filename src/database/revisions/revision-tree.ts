import { sortSteps } from '../../base/sort-steps.ts'
import type { Steps } from '../../base/time-slice.ts'
import { compareRevisions, type Revision } from './revision-id.ts'

// The history of a document, as CouchDB's couch_key_tree keeps it: a forest of revisions, each with its
// generation and id, of which each tree starts where stemming cut it off or where the document was created.
// - A revision (generation and id) stands in the tree once. Its id is a hash over its parent, so histories
//   that contradict each other do not occur unless somebody makes them up; then the parent known first stays.
// - A leaf has a value. A revision that is not a leaf may have one, until compaction drops it.
// - What merging paths in any order gives is the same tree.
// Nodes point upwards only, so that adding an edit touches two of them however long the history is.

/** What is stored for a revision. */
export interface RevisionValue {
  readonly deleted: boolean
  /** The update sequence that it was written at. */
  readonly seq: number
  /** Where its body is: an opaque reference of up to 255 bytes, null if there is none. */
  readonly body: Uint8Array | null
  /** Bytes of the document as a client sees it, attachments included. */
  readonly size: number
  /** Bytes that it takes in the file. */
  readonly activeSize: number
  /** What is known of its attachments, opaque here; null if there are none. */
  readonly attachments: Uint8Array | null
}

/** A revision in a tree. */
export interface RevisionNode extends Revision {
  parent: RevisionNode | null
  /** How many revisions have this one as their parent; a leaf has none. */
  children: number
  /** Null for a revision of which only the id is known. */
  value: RevisionValue | null
}

/** A revision and its ancestors, as in `_revisions`: `ids[0]` has generation `start`, the next one less. */
export interface RevisionPath {
  readonly start: number
  readonly ids: readonly string[]
}

/**
 * What a merge did: `new_leaf` lengthened a branch or began the tree, `new_branch` made a further leaf, and
 * with `internal_node` the revision was there.
 */
export type MergeKind = 'new_leaf' | 'new_branch' | 'internal_node'

/** The outcome of a merge. */
export interface MergeResult {
  readonly kind: MergeKind
  /** The revision at the head of the path. */
  readonly head: RevisionNode
  /** Whether the tree took the value, also for a revision of which it had only known the id. */
  readonly stored: boolean
  /** Whether anything was added: the value, a revision, or what a revision descends from. */
  readonly changed: boolean
}

/** Whether a revision can be read, as in `_revs_info`. */
export type RevisionStatus = 'available' | 'missing' | 'deleted'

const STEP_REVISIONS = 512
/** Nodes that are looked at one by one, in all, before a table of them is worth its making: so many for each of them. */
const SCANS_BEFORE_TABLE = 16

/** A document's revisions. All of its methods work in place. */
export class RevisionTree {
  /** In no particular order. */
  nodes: RevisionNode[]
  /** The update sequence of the document: that of its latest change of any kind. */
  updateSeq: number
  #scans = 0
  /** Nodes by id, once it was worth it; kept up by `#add`, dropped by what takes nodes out. */
  #byId: Map<string, RevisionNode | RevisionNode[]> | undefined
  /** Leaves that are not deleted, once somebody asked; kept up by merges. */
  #liveLeaves: number | undefined

  constructor(nodes: RevisionNode[] = [], updateSeq = 0) {
    this.nodes = nodes
    this.updateSeq = updateSeq
  }

  /** The node of a revision, or null. */
  find(pos: number, id: string): RevisionNode | null {
    if (this.#byId !== undefined) {
      const found = this.#byId.get(id)
      if (Array.isArray(found)) return found.find((node) => node.pos === pos) ?? null
      return found?.pos === pos ? found : null
    }
    this.#scans += 1
    if (this.#scans > SCANS_BEFORE_TABLE) {
      this.#byId = new Map()
      for (const node of this.nodes) this.#enter(this.#byId, node)
      return this.find(pos, id)
    }
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i]!
      if (node.pos === pos && node.id === id) return node
    }
    return null
  }

  #enter(table: Map<string, RevisionNode | RevisionNode[]>, node: RevisionNode): void {
    const others = table.get(node.id)
    if (others === undefined) table.set(node.id, node)
    else if (Array.isArray(others)) others.push(node)
    else table.set(node.id, [others, node])
  }

  /** Whether a leaf is not deleted, and so the document is there. */
  get isLive(): boolean {
    this.#liveLeaves ??= this.nodes.filter((node) => isLeaf(node) && !isDeleted(node)).length
    return this.#liveLeaves > 0
  }

  /**
   * Adds the revision at the head of `path` with its value, and what is not known yet of its ancestors. A value that is
   * there stays; null adds the path alone, whose head must have one.
   */
  merge(path: RevisionPath, value: RevisionValue | null): MergeResult {
    const before = this.nodes.length
    const find = (index: number): RevisionNode | null => this.find(path.start - index, path.ids[index]!)
    let at = 0
    let joint = find(at)
    while (joint === null && ++at < path.ids.length) joint = find(at)
    const kind = mergeKind(at, joint, before === 0)
    const joined = joint !== null && this.#extendUpwards(joint, path, at, find)
    const head = this.#extendDownwards(joint, path, at)
    const stored = head.value === null && value !== null
    if (stored) {
      head.value = value
      if (isLeaf(head) && !isDeleted(head) && this.#liveLeaves !== undefined) this.#liveLeaves += 1
    }
    return { kind, head, stored, changed: stored || joined || this.nodes.length > before }
  }

  /** `path.ids[at]` is `node`: what the path knows above the tree's own root becomes part of the tree. Returns whether. */
  #extendUpwards(
    node: RevisionNode,
    path: RevisionPath,
    at: number,
    find: (index: number) => RevisionNode | null,
  ): boolean {
    let child = node
    let joined = false
    for (let i = at + 1; i < path.ids.length; i++) {
      if (child.parent === null) {
        child.parent = find(i) ?? this.#add(path.start - i, path.ids[i]!, null)
        this.#becomeParent(child.parent)
        joined = true
      } else if (child.parent.id !== path.ids[i]) {
        return joined
      }
      child = child.parent
    }
    return joined
  }

  /** Adds the part of the path below `path.ids[at]`, and answers the node at its head. */
  #extendDownwards(joint: RevisionNode | null, path: RevisionPath, at: number): RevisionNode {
    let node = joint
    for (let i = at - 1; i >= 0; i--) {
      const parent = node
      node = this.#add(path.start - i, path.ids[i]!, parent)
      if (parent !== null) this.#becomeParent(parent)
    }
    return node!
  }

  #becomeParent(node: RevisionNode): void {
    const wasLive = isLeaf(node) && node.value !== null && !isDeleted(node)
    if (wasLive && this.#liveLeaves !== undefined) this.#liveLeaves -= 1
    node.children++
  }

  #add(pos: number, id: string, parent: RevisionNode | null): RevisionNode {
    const node = { pos, id, parent, children: 0, value: null }
    this.nodes.push(node)
    if (this.#byId !== undefined) this.#enter(this.#byId, node)
    return node
  }

  /** `nodes` has lost some. */
  #forgetTables(): void {
    this.#byId = undefined
    this.#scans = 0
    this.#liveLeaves = undefined
  }

  /** The leaves, the winner first: live ones before deleted ones, then by revision downwards. */
  leaves(): RevisionNode[] {
    return this.nodes.filter(isLeaf).sort((a, b) => (beats(a, b) ? -1 : 1))
  }

  /** The leaf that stands for the document; null in an empty tree. */
  winner(): RevisionNode | null {
    let winner: RevisionNode | null = null
    for (const node of this.nodes) {
      if (node.children === 0 && (winner === null || beats(node, winner))) winner = node
    }
    return winner
  }

  /** The live leaves besides the winner, best first: `_conflicts`. */
  conflicts(): RevisionNode[] {
    return this.leaves().filter((leaf, index) => index > 0 && !isDeleted(leaf))
  }

  /** The deleted leaves besides the winner, best first: `_deleted_conflicts`. */
  deletedConflicts(): RevisionNode[] {
    return this.leaves().filter((leaf, index) => index > 0 && isDeleted(leaf))
  }

  /**
   * Finds the leaves that a node became, best first; itself if it is one. Those that one of its calls gave are not given
   * again, so that any number of calls walk the tree once.
   */
  leafFinder(): (node: RevisionNode) => RevisionNode[] {
    const children = new Map<RevisionNode, RevisionNode[]>()
    for (const node of this.nodes) {
      if (node.parent === null) continue
      const siblings = children.get(node.parent)
      if (siblings === undefined) children.set(node.parent, [node])
      else siblings.push(node)
    }
    const seen = new Set<RevisionNode>()
    return (top) => {
      const found: RevisionNode[] = []
      const waiting = [top]
      for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
        if (seen.has(node)) continue
        seen.add(node)
        if (isLeaf(node)) found.push(node)
        for (const child of children.get(node) ?? []) waiting.push(child)
      }
      return found.sort((a, b) => (beats(a, b) ? -1 : 1))
    }
  }

  /**
   * Those of `revisions` that the tree does not hold, in steps. As CouchDB answers them: sorted by generation up to
   * the last generation of the tree, in the order given from there on.
   */
  *missing(revisions: readonly Revision[]): Steps<Revision[]> {
    const last = this.nodes.reduce((pos, node) => Math.max(pos, node.pos), Number.NEGATIVE_INFINITY)
    const byGeneration = new Map<number, Revision[]>()
    for (const [at, revision] of revisions.entries()) {
      if (at % STEP_REVISIONS === 0) yield
      if (this.find(revision.pos, revision.id) !== null) continue
      const generation = Math.min(revision.pos, last)
      const others = byGeneration.get(generation)
      if (others === undefined) byGeneration.set(generation, [revision])
      else others.push(revision)
    }
    const groups = yield* sortSteps([...byGeneration], ([a], [b]) => a - b)
    return groups.flatMap(([, missing]) => missing)
  }

  /** The leaves that one of the `missing` revisions may descend from, worst first. */
  possibleAncestors(missing: readonly Revision[]): Revision[] {
    const last = missing.reduce((pos, revision) => Math.max(pos, revision.pos), Number.NEGATIVE_INFINITY)
    return this.leaves()
      .filter((leaf) => leaf.pos < last)
      .reverse()
  }

  /** Takes out a leaf and all that only led to it. Answers whether there was such a leaf. */
  removeLeaf(revision: Revision): boolean {
    let node = this.find(revision.pos, revision.id)
    if (node === null || node.children > 0) return false
    const removed = new Set<RevisionNode>()
    while (node !== null && node.children === 0) {
      removed.add(node)
      if (node.parent !== null) node.parent.children--
      node = node.parent
    }
    this.nodes = this.nodes.filter((kept) => !removed.has(kept))
    this.#forgetTables()
    return true
  }

  /**
   * Forgets every revision that is `limit` or more generations above all of its leaves. `limit` >= 1. Returns whether
   * there was one.
   */
  stem(limit: number): boolean {
    const before = this.nodes.length
    if (before <= limit || generations(this.nodes) <= limit) return false
    const leaves = this.nodes.filter(isLeaf)
    const kept = leaves.length === 1 ? lastGenerations(leaves[0]!, limit) : nearLeaves(this.nodes, limit)
    for (const node of this.nodes) {
      if (node.parent === null || kept(node) === kept(node.parent)) continue
      // Either the tree is cut above this node, or above the start of a longer branch beside it.
      if (kept(node)) node.parent = null
      else node.parent.children--
    }
    this.nodes = this.nodes.filter(kept)
    if (this.nodes.length === before) return false
    this.#forgetTables()
    return true
  }
}

/** The path from a revision towards its root, of `limit` revisions at most. */
export function pathOf(node: RevisionNode, limit: number): RevisionPath {
  const ids: string[] = []
  for (let at: RevisionNode | null = node; at !== null && ids.length < limit; at = at.parent) ids.push(at.id)
  return { start: node.pos, ids }
}

/** A revision and its ancestors, itself first, and whether each can be read: `_revs_info`. */
export function revisionsInfo(node: RevisionNode): { revision: Revision; status: RevisionStatus }[] {
  return ancestry(node).map((revision) => ({ revision, status: statusOf(revision) }))
}

/** Whether the leaf `a` wins over the leaf `b`. */
export function beats(a: RevisionNode, b: RevisionNode): boolean {
  const deleted = isDeleted(a)
  return deleted === isDeleted(b) ? compareRevisions(a, b) > 0 : !deleted
}

/** How many there are from the oldest revision to the newest. */
function generations(nodes: readonly RevisionNode[]): number {
  let oldest = Number.POSITIVE_INFINITY
  let newest = Number.NEGATIVE_INFINITY
  for (const { pos } of nodes) {
    if (pos < oldest) oldest = pos
    if (pos > newest) newest = pos
  }
  return newest - oldest + 1
}

/** Which nodes of a linear history stemming keeps. */
function lastGenerations(leaf: RevisionNode, limit: number): (node: RevisionNode) => boolean {
  const first = leaf.pos - limit + 1
  return (node) => node.pos >= first
}

/** Which nodes of any tree stemming keeps: from the leaves up, each node hands on how many generations are still kept. */
function nearLeaves(nodes: readonly RevisionNode[], limit: number): (node: RevisionNode) => boolean {
  const left = new Map<RevisionNode, number>()
  for (const node of [...nodes].sort((a, b) => b.pos - a.pos)) {
    const own = isLeaf(node) ? limit : (left.get(node) ?? 0)
    left.set(node, own)
    if (node.parent !== null && own > (left.get(node.parent) ?? 0) + 1) left.set(node.parent, own - 1)
  }
  return (node) => left.get(node)! > 0
}

function ancestry(node: RevisionNode): RevisionNode[] {
  const nodes: RevisionNode[] = []
  for (let ancestor: RevisionNode | null = node; ancestor !== null; ancestor = ancestor.parent) {
    nodes.push(ancestor)
  }
  return nodes
}

function statusOf(node: RevisionNode): RevisionStatus {
  if (node.value === null) return 'missing'
  return node.value.deleted ? 'deleted' : 'available'
}

function isLeaf(node: RevisionNode): boolean {
  return node.children === 0
}

function isDeleted(node: RevisionNode): boolean {
  return node.value?.deleted === true
}

function mergeKind(at: number, joint: RevisionNode | null, wasEmpty: boolean): MergeKind {
  if (at === 0) return 'internal_node'
  if (joint === null) return wasEmpty ? 'new_leaf' : 'new_branch'
  return joint.children === 0 ? 'new_leaf' : 'new_branch'
}
