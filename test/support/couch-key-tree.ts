/**
 * Revision trees a third time: CouchDB's own rules (`couch_key_tree`), written as they are stated there, over nested nodes and
 * with no thought for speed. A forest in which each tree starts at a generation; a path is merged into the first tree that
 * it lines up with, or becomes a tree of its own; stemming keeps a node while one of its leaves is near enough.
 */
import { compareRevisions, type Revision } from '../../src/database/revisions/revision-id.ts'
import type { RevisionPath } from '../../src/database/revisions/revision-tree.ts'
import { nameOf } from './plain-revision-tree.ts'

interface KeyNode {
  readonly key: string
  /** The update sequence of the body; undefined: missing. */
  value: number | undefined
  children: KeyNode[]
}

interface KeyTree {
  start: number
  root: KeyNode
}

export class CouchKeyTree {
  trees: KeyTree[] = []

  merge(path: RevisionPath, value: number): void {
    const [head, ...ancestors] = path.ids
    let node: KeyNode = { key: head!, value, children: [] }
    for (const key of ancestors) node = { key, value: undefined, children: [node] }
    const incoming: KeyTree = { start: path.start - ancestors.length, root: node }
    for (const tree of this.trees) {
      const merged = mergeAt(tree, incoming)
      if (merged === undefined) continue
      tree.start = merged.start
      tree.root = merged.root
      this.#sort()
      return
    }
    this.trees.push(incoming)
    this.#sort()
  }

  stem(limit: number): void {
    const kept: KeyTree[] = []
    for (const tree of this.trees) {
      const { node } = stemNode(tree.root, tree.start, limit, kept)
      if (node !== undefined) kept.push({ start: tree.start, root: node })
    }
    this.trees = kept
    this.#sort()
  }

  /** Which tree comes first decides which one a path is merged into. */
  #sort(): void {
    this.trees.sort((a, b) => a.start - b.start || (a.root.key < b.root.key ? -1 : 1))
  }

  /** Nodes and edges as text; undefined when a revision stands in two trees, which ours never does. */
  dump(): string[] | undefined {
    const lines: string[] = []
    const seen = new Set<string>()
    let twice = false
    const walk = (node: KeyNode, pos: number, parent: string | undefined): void => {
      const name = nameOf({ pos, id: node.key })
      twice ||= seen.has(name)
      seen.add(name)
      lines.push(`${name} < ${parent} = ${node.value}`)
      for (const child of node.children) walk(child, pos + 1, name)
    }
    for (const { start, root } of this.trees) walk(root, start, undefined)
    return twice ? undefined : lines.sort()
  }

  leaves(): Revision[] {
    const found: Revision[] = []
    const walk = (node: KeyNode, pos: number): void => {
      if (node.children.length === 0) found.push({ pos, id: node.key })
      for (const child of node.children) walk(child, pos + 1)
    }
    for (const { start, root } of this.trees) walk(root, start)
    return found.sort(compareRevisions)
  }
}

/** Seeks in the deeper of the two until they begin at the same generation, then lays one over the other. */
function mergeAt(tree: KeyTree, incoming: KeyTree): KeyTree | undefined {
  if (tree.start > incoming.start) {
    // The path begins above the tree: the tree's root has to lie on it.
    let above: KeyNode | undefined
    let at = incoming.root
    for (let pos = incoming.start; pos < tree.start; pos++) {
      above = at
      const [next] = at.children
      if (next === undefined) return undefined
      at = next
    }
    if (at.key !== tree.root.key) return undefined
    above!.children = [overlay(tree.root, at)]
    return incoming
  }
  const found = findAt(tree.root, incoming.start - tree.start, incoming.root.key)
  if (found === undefined) return undefined
  overlay(found, incoming.root)
  return tree
}

function findAt(node: KeyNode, depth: number, key: string): KeyNode | undefined {
  if (depth === 0) return node.key === key ? node : undefined
  for (const child of node.children) {
    const found = findAt(child, depth - 1, key)
    if (found !== undefined) return found
  }
  return undefined
}

/** Of two values the one that is there, the older one of two. */
function overlay(mine: KeyNode, other: KeyNode): KeyNode {
  mine.value ??= other.value
  for (const child of other.children) {
    const same = mine.children.find(({ key }) => key === child.key)
    if (same === undefined) mine.children.push(child)
    else overlay(same, child)
  }
  return mine
}

/** `left`: how many generations above this node are kept for the sake of its leaves. */
function stemNode(
  node: KeyNode,
  pos: number,
  limit: number,
  kept: KeyTree[],
): { node: KeyNode | undefined; left: number } {
  if (node.children.length === 0) return { node, left: limit - 1 }
  const stemmed = node.children.map((child) => stemNode(child, pos + 1, limit, kept))
  const left = Math.max(...stemmed.map((child) => child.left))
  const children = stemmed.flatMap((child) => child.node ?? [])
  if (left > 0) return { node: { ...node, children }, left: left - 1 }
  for (const root of children) kept.push({ start: pos + 1, root })
  return { node: undefined, left: -1 }
}
