import type { Revision } from '../../src/database/revisions/revision-id.ts'
import type { RevisionNode, RevisionPath, RevisionTree } from '../../src/database/revisions/revision-tree.ts'

// Revision trees a second time, as a set of names and a set of edges, with no thought for speed.

/** A revision's name: its generation and the hexadecimal digits of its id. */
export function nameOf({ pos, id }: Revision): string {
  return `${pos}-${Buffer.from(id, 'latin1').toString('hex')}`
}

/** The names along a path, its head first. */
export function namesOf(path: RevisionPath): string[] {
  return path.ids.map((id, index) => nameOf({ pos: path.start - index, id }))
}

function generation(name: string): number {
  return Number(name.slice(0, name.lastIndexOf('-')))
}

interface PlainValue {
  readonly deleted: boolean
  readonly seq: number
}

/** A forest of revisions. */
export class PlainRevisionTree {
  readonly values = new Map<string, PlainValue>()
  readonly names = new Set<string>()
  readonly parents = new Map<string, string>()

  merge(path: RevisionPath, value: PlainValue): string {
    const names = namesOf(path)
    const nearest = names.find((name) => this.names.has(name))
    const kind =
      nearest === names[0]
        ? 'internal_node'
        : nearest === undefined
          ? this.names.size === 0
            ? 'new_leaf'
            : 'new_branch'
          : this.leaves().includes(nearest)
            ? 'new_leaf'
            : 'new_branch'
    names.forEach((name, index) => {
      this.names.add(name)
      if (index > 0) this.parents.set(names[index - 1]!, name)
    })
    if (!this.values.has(names[0]!)) this.values.set(names[0]!, value)
    return kind
  }

  leaves(): string[] {
    const inner = new Set(this.parents.values())
    const key = (name: string) =>
      `${this.values.get(name)?.deleted ? 0 : 1}${String(generation(name)).padStart(9, '0')}${name.slice(name.lastIndexOf('-'))}`
    return [...this.names].filter((name) => !inner.has(name)).sort((a, b) => (key(a) < key(b) ? 1 : -1))
  }

  ancestry(name: string): string[] {
    const parent = this.parents.get(name)
    return parent === undefined ? [name] : [name, ...this.ancestry(parent)]
  }

  stem(limit: number): void {
    const kept = new Set(this.leaves().flatMap((leaf) => this.ancestry(leaf).slice(0, limit)))
    for (const name of [...this.names]) if (!kept.has(name)) this.#forget(name)
  }

  removeLeaf(name: string): boolean {
    if (!this.leaves().includes(name)) return false
    for (const ancestor of this.ancestry(name)) {
      if (!this.leaves().includes(ancestor)) break
      this.#forget(ancestor)
    }
    return true
  }

  #forget(name: string): void {
    this.names.delete(name)
    this.values.delete(name)
    this.parents.delete(name)
    for (const [child, parent] of [...this.parents]) if (parent === name) this.parents.delete(child)
  }

  dump(): string[] {
    return [...this.names]
      .map((name) => `${name} < ${this.parents.get(name)} = ${this.values.get(name)?.seq}`)
      .sort()
  }
}

/** The same text for a tree as for its plain twin. Throws where the tree's own bookkeeping is wrong. */
export function dump(tree: RevisionTree): string[] {
  const children = new Map<RevisionNode, number>()
  for (const { parent } of tree.nodes)
    if (parent !== null) children.set(parent, 1 + (children.get(parent) ?? 0))
  for (const node of tree.nodes) {
    if (node.children !== (children.get(node) ?? 0)) throw new Error(`children of ${nameOf(node)}`)
    if (node.children === 0 && node.value === null) throw new Error(`leaf without value ${nameOf(node)}`)
    if (node.parent !== null && node.parent.pos !== node.pos - 1) throw new Error(`parent of ${nameOf(node)}`)
    if (node.parent !== null && !tree.nodes.includes(node.parent))
      throw new Error(`lost parent of ${nameOf(node)}`)
  }
  const lines = tree.nodes.map(
    (node) =>
      `${nameOf(node)} < ${node.parent === null ? undefined : nameOf(node.parent)} = ${node.value?.seq}`,
  )
  if (new Set(tree.nodes.map(nameOf)).size !== lines.length) throw new Error('a revision stands twice')
  return lines.sort()
}
