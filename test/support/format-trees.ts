/**
 * The trees of a decoded file: as its pages say, and as the operations of its groups say. Follows FORMAT.md
 * alone, as the decoder does.
 */

import { FormatError } from './format-bytes.ts'
import type { DecodedFile } from './format-decoder.ts'
import {
  type Change,
  type Checkpoint,
  type Definition,
  decodeReference,
  type LeafCell,
  type Page,
  type Pointer,
  type Reference,
  type WholeContent,
} from './format-records.ts'

/** What a file names and does not hold: its trees' orders and reducers, by name. */
export interface Functions {
  comparators: Record<string, (a: Uint8Array, b: Uint8Array) => number>
  reducers: Record<
    string,
    {
      map(key: Uint8Array, value: Uint8Array): Uint8Array
      combine(parts: readonly Uint8Array[]): Uint8Array
    }
  >
}

export interface Entry {
  key: Buffer
  value: Buffer
  outOfLine: boolean
}

export interface Tree {
  definition: Definition
  /** In the tree's order. */
  entries: Entry[]
}

export type Trees = Map<number, Tree>

function comparatorOf(functions: Functions, { comparator }: Definition) {
  if (comparator === '') return (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b)
  const compare = functions.comparators[comparator]
  if (compare === undefined) throw new FormatError(0, `no comparator ${comparator}`)
  return compare
}

/** Bytes that a reference names, its check verified; `read` collects the records that were needed. */
export function resolveReference(file: DecodedFile, reference: Reference, read?: Set<number>): Buffer {
  const { position, length, isIndex, check } = reference
  const record = file.values.get(position)
  if (record?.type !== (isIndex ? 'index' : 'value')) throw new FormatError(position, 'no such value')
  if ((record.hash & 0xffffffffn) !== BigInt(check)) throw new FormatError(position, 'check of a reference')
  read?.add(position)
  let bytes = record.bytes
  if (isIndex) {
    if (bytes.length % 16 !== 0) throw new FormatError(position, 'an index with half a reference')
    const chunks = Array.from({ length: bytes.length / 16 }, (_, i) => {
      const chunk = decodeReference(record.bytes.subarray(i * 16, i * 16 + 16))
      if (chunk.isIndex) throw new FormatError(position, 'an index of an index')
      return resolveReference(file, chunk, read)
    })
    bytes = Buffer.concat(chunks)
  }
  if (bytes.length !== length)
    throw new FormatError(position, `a value of ${bytes.length} bytes, not ${length}`)
  return bytes
}

function entryOf(file: DecodedFile, { key, value }: LeafCell): Entry {
  if (Buffer.isBuffer(value)) return { key, value, outOfLine: false }
  return { key, value: resolveReference(file, value), outOfLine: true }
}

/** What a subtree adds up to, as its pointer should say. */
interface Sum {
  count: number
  bytes: number
  reduction: Uint8Array
}

function patched<T>(cells: T[], changes: Change<T>[], position: number): T[] {
  const result: T[] = []
  let at = 0
  for (const change of changes) {
    result.push(...cells.slice(at, at + change.passed))
    at += change.passed
    if (change.kind === 'payload' && at < cells.length) result.push(change.of(cells[at]!))
    if (change.kind === 'in') result.push(change.cell)
    else at += 1
    if (at > cells.length) throw new FormatError(position, 'a change behind the last cell')
  }
  return [...result, ...cells.slice(at)]
}

/** The keys of a page share its prefix, and its heads are the bytes behind it. */
function assertHeads({ heads, position, prefix }: Page, content: WholeContent): void {
  const keys = content.cells.map(({ key }) => key)
  for (let i = content.kind === 'leaf' ? 0 : 1; i < keys.length; i++) {
    const shared = keys.at(-1)!.subarray(0, prefix)
    if (shared.length < prefix || !keys[i]!.subarray(0, prefix).equals(shared)) {
      throw new FormatError(position, `key ${i} lacks the prefix`)
    }
    const head = Buffer.concat([keys[i]!.subarray(prefix), Buffer.alloc(4)]).subarray(0, 4)
    if (!heads[i]!.equals(head)) throw new FormatError(position, `head ${i}`)
  }
  if (content.kind === 'inner' && !heads[0]!.equals(Buffer.alloc(4)))
    throw new FormatError(position, 'head 0')
}

/** Walks one tree from its root and collects entries, verifying order, bounds, hashes, counts, reductions. */
class PageWalk {
  readonly entries: Entry[] = []
  readonly #file: DecodedFile
  readonly #compare: (a: Uint8Array, b: Uint8Array) => number
  readonly #reducer: Functions['reducers'][string] | undefined
  readonly #seen: Set<Page>
  readonly #isBytewise: boolean

  constructor(file: DecodedFile, functions: Functions, definition: Definition, seen: Set<Page>) {
    this.#file = file
    this.#isBytewise = definition.comparator === ''
    this.#compare = comparatorOf(functions, definition)
    this.#reducer = definition.reducer === '' ? undefined : functions.reducers[definition.reducer]
    if (definition.reducer !== '' && this.#reducer === undefined) throw new FormatError(0, 'no reducer')
    this.#seen = seen
  }

  /** Keys below `pointer` are at or above `low` and below `high`; undefined: no bound. Returns the depth. */
  walk(pointer: Pointer, low: Buffer | undefined, high: Buffer | undefined): number {
    const { position } = pointer
    const page = this.#file.pages.get(position)
    if (page === undefined) throw new FormatError(position, 'a pointer to no page')
    if (page.length !== pointer.length) throw new FormatError(position, 'length of a page in its pointer')
    if (page.hash !== pointer.hash) throw new FormatError(position, 'hash of a page in its pointer')
    this.#seen.add(page)
    const content = this.#contentOf(page)
    const { sum, depth } =
      content.kind === 'leaf'
        ? { sum: this.#leaf(content.cells, position, low, high), depth: 1 }
        : this.#inner(content.cells, position, low, high)
    if (sum.count !== pointer.count)
      throw new FormatError(position, `count ${sum.count}, not ${pointer.count}`)
    if (sum.bytes !== pointer.bytes)
      throw new FormatError(position, `bytes ${sum.bytes}, not ${pointer.bytes}`)
    if (Buffer.compare(sum.reduction, pointer.reduction) !== 0) throw new FormatError(position, 'reduction')
    return depth
  }

  /** What a page holds, or what a patch makes of its base. */
  #contentOf(page: Page): WholeContent {
    const { content, position } = page
    if (content.kind !== 'patch') {
      if (this.#isBytewise) assertHeads(page, content)
      return content
    }
    const base = this.#file.pages.get(content.base.position)
    if (base === undefined || base.length !== content.base.length || base.hash !== content.base.hash) {
      throw new FormatError(position, 'base of a patch')
    }
    this.#seen.add(base)
    if (base.content.kind === 'patch') throw new FormatError(position, 'a patch of a patch')
    if (this.#isBytewise) assertHeads(base, base.content)
    if (base.content.kind === 'leaf' && content.changes.kind === 'leaf') {
      return { kind: 'leaf', cells: patched(base.content.cells, content.changes.list, position) }
    }
    if (base.content.kind === 'inner' && content.changes.kind === 'inner') {
      return { kind: 'inner', cells: patched(base.content.cells, content.changes.list, position) }
    }
    throw new FormatError(position, 'kind of a patch')
  }

  #leaf(cells: LeafCell[], position: number, low: Buffer | undefined, high: Buffer | undefined): Sum {
    let bytes = 0
    const parts: Uint8Array[] = []
    for (const cell of cells) {
      const entry = entryOf(this.#file, cell)
      const before = this.entries.at(-1)
      if (before !== undefined && this.#compare(before.key, entry.key) >= 0)
        throw new FormatError(position, 'order')
      if (low !== undefined && this.#compare(low, entry.key) > 0)
        throw new FormatError(position, 'lower bound')
      if (high !== undefined && this.#compare(entry.key, high) >= 0)
        throw new FormatError(position, 'upper bound')
      this.entries.push(entry)
      bytes += entry.key.length + entry.value.length
      if (this.#reducer !== undefined) parts.push(this.#reducer.map(entry.key, entry.value))
    }
    return { count: cells.length, bytes, reduction: this.#combine(parts) }
  }

  #inner(
    cells: { key: Buffer; child: Pointer }[],
    position: number,
    low: Buffer | undefined,
    high: Buffer | undefined,
  ): { sum: Sum; depth: number } {
    if (cells[0]?.key.length !== 0) throw new FormatError(position, 'first key of an inner node')
    const depths = cells.map(({ key, child }, i) =>
      this.walk(child, i === 0 ? low : key, cells[i + 1]?.key ?? high),
    )
    if (new Set(depths).size !== 1) throw new FormatError(position, 'children of different depths')
    const sum = {
      count: cells.reduce((total, { child }) => total + child.count, 0),
      bytes: cells.reduce((total, { child }) => total + child.bytes, 0),
      reduction: this.#combine(cells.map(({ child }) => child.reduction)),
    }
    return { sum, depth: depths[0]! + 1 }
  }

  #combine(parts: Uint8Array[]): Uint8Array {
    return this.#reducer?.combine(parts) ?? new Uint8Array()
  }
}

/** The trees as the pages below a checkpoint's roots say. `seen` collects the pages. */
export function treesOfPages(
  file: DecodedFile,
  checkpoint: Checkpoint,
  functions: Functions,
  seen = new Set<Page>(),
): Trees {
  const trees: Trees = new Map()
  for (const { definition, root } of checkpoint.trees) {
    const walk = new PageWalk(file, functions, definition, seen)
    if (root !== undefined) walk.walk(root, undefined, undefined)
    trees.set(definition.id, { definition, entries: walk.entries })
  }
  return trees
}

function treeOf(trees: Trees, id: number): Tree {
  const tree = trees.get(id)
  if (tree === undefined) throw new FormatError(0, `an operation on tree ${id}, which is not defined`)
  return tree
}

/** A tree record stands before its tree's first entry; a checkpoint may have named the tree already. */
function define(trees: Trees, definition: Definition): void {
  const known = trees.get(definition.id)
  if (known !== undefined && known.entries.length > 0) throw new FormatError(0, 'a second record of a tree')
  trees.set(definition.id, { definition, entries: [] })
}

/** Applies the operations of the groups from `from` on, of commits up to `lastCommit`, to `trees` in place. */
export function replay(
  file: DecodedFile,
  trees: Trees,
  from: number,
  functions: Functions,
  lastCommit = Number.POSITIVE_INFINITY,
): void {
  function place(tree: Tree, key: Buffer): { index: number; found: boolean } {
    const compare = comparatorOf(functions, tree.definition)
    const index = tree.entries.findIndex((entry) => compare(entry.key, key) >= 0)
    if (index < 0) return { index: tree.entries.length, found: false }
    return { index, found: compare(tree.entries[index]!.key, key) === 0 }
  }
  for (const group of file.groups) {
    if (group.position < from || group.type === 'chunk' || group.commit > lastCommit) continue
    for (const record of group.records) {
      if (record.type === 'tree') define(trees, record.definition)
      if (record.type === 'put') {
        const tree = treeOf(trees, record.tree)
        const { index, found } = place(tree, record.cell.key)
        tree.entries.splice(index, found ? 1 : 0, entryOf(file, record.cell))
      }
      if (record.type === 'delete') {
        const tree = treeOf(trees, record.tree)
        const { index, found } = place(tree, record.key)
        if (found) tree.entries.splice(index, 1)
      }
    }
  }
}

/** The trees as of the end of the file: the pages of the last group's checkpoint, and the groups behind it. */
export function treesOfFile(file: DecodedFile, functions: Functions): Trees {
  const named = file.groups.at(-1)?.checkpoint.position ?? 0
  const checkpoint = file.checkpoints.find(({ position }) => position === named)
  const trees = checkpoint === undefined ? new Map() : treesOfPages(file, checkpoint, functions)
  replay(file, trees, checkpoint?.replayPosition ?? file.genesis.firstGroup, functions)
  return trees
}
