/**
 * Walks everything that a store's last commit needs, and its whole chain of groups, and reports every
 * invariant that does not hold. Nodes are read past the cache: what counts is what the disk gives back.
 */
import type { CheckProblem, CheckReport } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import type { Compare } from '../callbacks.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { giveWay } from '../disk/system.ts'
import { StorageError } from '../errors.ts'
import { readGenesis, readSlots, tornBytes } from '../log/recovery.ts'
import { type WalkState, walkGroups } from '../log/walk.ts'
import { CellView, leafCellBytes, readCell } from '../page/cell.ts'
import { cellCount, cellKey, cellOffset, headAt, headOf, isLeaf, prefixLength } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import type { Root } from '../tree/shares.ts'
import type { Tree } from '../tree/tree.ts'
import { ValueReader } from '../values/values.ts'

/** Problems beyond this many are counted, not listed. */
const LISTED_PROBLEMS = 1000

export async function checkStore(
  file: StorageFile,
  source: PageSource,
  salt: bigint,
  roots: Iterable<{ tree: Tree; root: Root }>,
  /** Where the groups end that count; what lies behind them in a file that no writer of this process has open. */
  { durableEnd, looksBehind }: { durableEnd: number; looksBehind: boolean },
  onProgress?: (done: number, total: number) => void,
): Promise<CheckReport> {
  const run = new Check(file, source, salt, onProgress)
  const trees = [...roots]
  run.total = durableEnd + trees.reduce((sum, { root }) => sum + (root?.bytes ?? 0), 0)
  await run.superblocks()
  await run.groups(durableEnd, looksBehind)
  for (const { tree, root } of trees) await run.tree(tree, root)
  onProgress?.(run.total, run.total)
  return run.report
}

/** What a subtree turned out to be. */
interface Found {
  count: number
  bytes: number
  depth: number
  reduction: Uint8Array | undefined
}

const EMPTY = Buffer.alloc(0)
const view = new CellView()

class Check {
  readonly report: CheckReport = {
    problems: [],
    problemCount: 0,
    leftovers: [],
    groups: 0,
    nodes: 0,
    entries: 0,
    values: 0,
    bytes: 0,
  }
  total = 0
  #done = 0
  #steps = 0
  readonly #file: StorageFile
  readonly #source: PageSource
  readonly #salt: bigint
  readonly #values: ValueReader
  readonly #onProgress: ((done: number, total: number) => void) | undefined

  constructor(
    file: StorageFile,
    source: PageSource,
    salt: bigint,
    onProgress: ((done: number, total: number) => void) | undefined,
  ) {
    this.#file = file
    this.#source = source
    this.#salt = salt
    this.#values = new ValueReader(file, salt)
    this.#onProgress = onProgress
  }

  #problem(where: string, what: string): void {
    const { problems } = this.report
    this.report.problemCount += 1
    if (problems.length < LISTED_PROBLEMS) problems.push({ where, what } satisfies CheckProblem)
  }

  /** Runs `look`; damage that it meets is a problem of the file, anything else is a failure of the check. */
  async #guard(where: string, look: () => Promise<void>): Promise<void> {
    try {
      await look()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#problem(where, error.message)
    }
  }

  async #step(progress: number): Promise<void> {
    this.#done += progress
    this.#steps += 1
    if (this.#steps % 64 !== 0) return
    this.#onProgress?.(this.#done, this.total)
    await giveWay()
  }

  async superblocks(): Promise<void> {
    await this.#guard('superblocks', async () => {
      const { bad, damaged } = await readSlots(this.#file)
      if (damaged > 0) this.#problem('superblocks', `${damaged} of 2 slots cannot be read`)
      else if (bad > 0) this.#leftover('superblocks', 'one of 2 slots was not written whole')
    })
  }

  /** What a crash may leave, which is no problem. */
  #leftover(where: string, what: string): void {
    this.report.leftovers.push({ where, what } satisfies CheckProblem)
  }

  async groups(durableEnd: number, looksBehind: boolean): Promise<void> {
    await this.#guard('groups', async () => {
      const genesis = await readGenesis(this.#file)
      if (genesis === undefined) {
        this.#problem('groups', 'the first group is damaged')
        return
      }
      const walk = await walkGroups(this.#file, this.#salt, genesis.start, {
        durableEnd: 0,
        limit: durableEnd,
        visit: (header) => {
          this.#done += header.length
        },
      })
      this.report.groups = walk.groups
      this.report.bytes = walk.end.position
      if (walk.end.position < durableEnd) {
        this.#problem(`position ${walk.end.position}`, 'a group that was committed is not whole')
      } else if (looksBehind) {
        await this.#behind(walk.end)
      }
    })
  }

  /**
   * What lies behind the last group that something vouches for. Opening has seen that nothing speaks against taking
   * it for the end of what a crash left, or for what a writer is about to make durable.
   */
  async #behind(end: WalkState): Promise<void> {
    const walk = await walkGroups(this.#file, this.#salt, end, { durableEnd: 0 })
    if (walk.groups > 0) {
      this.#leftover(
        `position ${end.position}`,
        `${walk.groups} whole groups that no superblock names yet: the next opening keeps them`,
      )
    }
    const torn = await tornBytes(this.#file, walk.end.position, this.#file.size())
    if (torn > 0) {
      this.#leftover(
        `position ${walk.end.position}`,
        `${torn} bytes of a commit that is not whole: the next opening cuts them off`,
      )
    }
  }

  async tree(tree: Tree, root: Root): Promise<void> {
    const where = `tree ${tree.definition.name}`
    if (root === undefined) return
    if (tree.definition.comparatorName !== (tree.comparator?.name ?? '')) {
      this.#problem(
        where,
        `its order cannot be checked without the comparator ${tree.definition.comparatorName}`,
      )
      return
    }
    await this.#guard(where, async () => {
      await this.#node(tree, where, root, undefined, undefined)
    })
  }

  #order(tree: Tree, a: Uint8Array, b: Uint8Array): number {
    return tree.compare === undefined ? Buffer.compare(a, b) : tree.compare(a, b)
  }

  /** Walks a subtree whose keys must lie in [low, high); undefined when it could not be read. */
  async #node(
    tree: Tree,
    where: string,
    link: MutableNode | NodePointer,
    low: Buffer | undefined,
    high: Buffer | undefined,
  ): Promise<Found | undefined> {
    const at = `${where}, ${placeOf(link)}`
    let page: Buffer
    try {
      page = this.#pageOf(link)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#problem(at, error.message)
      return undefined
    }
    this.report.nodes += 1
    const found = isLeaf(page)
      ? await this.#leaf(tree, at, page, low, high)
      : await this.#inner(tree, where, at, link, page, low, high)
    if (found === undefined) return undefined
    if (found.count !== link.count || found.bytes !== link.bytes) {
      this.#problem(
        at,
        `holds ${found.count} entries of ${found.bytes} bytes, not ${link.count} of ${link.bytes}`,
      )
    }
    const expected = link instanceof MutableNode ? (link.pointer ?? link).reduction : link.reduction
    if (expected !== undefined && found.reduction !== undefined) {
      if (Buffer.compare(expected, found.reduction) !== 0)
        this.#problem(at, 'its reduction is not that of its entries')
    }
    return found
  }

  #pageOf(link: MutableNode | NodePointer): Buffer {
    if (link instanceof MutableNode && link.pointer === undefined) return link.page
    const pointer = link instanceof MutableNode ? link.pointer! : link
    return this.#source.readPage(pointer.position, pointer.length, pointer.hash).page
  }

  #inRange(tree: Tree, at: string, key: Buffer, low: Buffer | undefined, high: Buffer | undefined): void {
    if (low !== undefined && this.#order(tree, key, low) < 0) this.#problem(at, 'a key lies before its range')
    if (high !== undefined && this.#order(tree, key, high) >= 0)
      this.#problem(at, 'a key lies behind its range')
  }

  /** What searches look at before they look at keys, from cell `first` on. */
  #heads(tree: Tree, at: string, page: Buffer, first: number): void {
    const prefix = prefixLength(page)
    if (tree.compare !== undefined && !this.#areBytewise(tree.compare, page, first)) return
    const shared = first < cellCount(page) ? cellKey(page, first).subarray(0, prefix) : EMPTY
    for (let i = first; i < cellCount(page); i++) {
      const key = cellKey(page, i)
      if (!key.subarray(0, prefix).equals(shared)) this.#problem(at, `key ${i} lacks the prefix`)
      if (headAt(page, i) !== headOf(key, prefix, key.length))
        this.#problem(at, `the head of key ${i} is wrong`)
    }
  }

  /** As searches find out: by the first key, and that all share a beginning. */
  #areBytewise(compare: Compare, page: Buffer, first: number): boolean {
    if (first >= cellCount(page) || prefixLength(page) === 0) return false
    return cellKey(page, first)[0]! < compare.bytewiseBelow
  }

  async #leaf(
    tree: Tree,
    at: string,
    page: Buffer,
    low: Buffer | undefined,
    high: Buffer | undefined,
  ): Promise<Found> {
    const cells = cellCount(page)
    const parts: Uint8Array[] = []
    let bytes = 0
    let previous: Buffer | undefined
    if (cells === 0) this.#problem(at, 'a leaf is empty')
    this.#heads(tree, at, page, 0)
    for (let i = 0; i < cells; i++) {
      const key = Buffer.from(cellKey(page, i))
      this.#inRange(tree, at, key, low, high)
      if (previous !== undefined && this.#order(tree, previous, key) >= 0) {
        this.#problem(at, `keys ${i - 1} and ${i} are out of order`)
      }
      previous = key
      readCell(page, cellOffset(page, i), view)
      bytes += leafCellBytes(page, view)
      const payload = Buffer.from(page.subarray(view.payloadStart, view.end))
      const value = view.isReference ? this.#value(at, payload) : payload
      if (value === undefined) continue
      for (const reference of tree.references?.(value) ?? []) this.#value(at, reference)
      if (tree.reducer !== undefined) parts.push(tree.reducer.map(key, value))
    }
    this.report.entries += cells
    await this.#step(bytes)
    return { count: cells, bytes, depth: 1, reduction: tree.reducer?.combine(parts) }
  }

  /** Reads and verifies what a reference names; undefined when it is damaged. */
  #value(at: string, reference: Uint8Array): Buffer | undefined {
    this.report.values += 1
    try {
      return this.#values.read(reference)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      if (error.code !== 'VALUE_TOO_LARGE') this.#problem(at, error.message)
      return undefined
    }
  }

  async #inner(
    tree: Tree,
    where: string,
    at: string,
    link: MutableNode | NodePointer,
    page: Buffer,
    low: Buffer | undefined,
    high: Buffer | undefined,
  ): Promise<Found | undefined> {
    const cells = cellCount(page)
    const children = link instanceof MutableNode && link.pointer === undefined ? link.children : undefined
    const bounds: (Buffer | undefined)[] = [low]
    this.#heads(tree, at, page, 1)
    for (let i = 1; i < cells; i++) {
      const key = Buffer.from(cellKey(page, i))
      this.#inRange(tree, at, key, low, high)
      const before = bounds[i - 1]
      if (before !== undefined && this.#order(tree, before, key) >= 0 && i > 1) {
        this.#problem(at, `separators ${i - 1} and ${i} are out of order`)
      }
      bounds.push(key)
    }
    bounds.push(high)
    const total: Found = { count: 0, bytes: 0, depth: 0, reduction: undefined }
    const parts: Uint8Array[] = []
    let whole = true
    if (cells === 0) this.#problem(at, 'an inner node has no children')
    for (let i = 0; i < cells; i++) {
      const child = children?.[i] ?? readPointer(page, i, tree.definition.reducerName !== '')
      const found = await this.#node(tree, where, child, bounds[i], bounds[i + 1])
      if (found === undefined) {
        whole = false
        continue
      }
      total.count += found.count
      total.bytes += found.bytes
      if (found.reduction !== undefined) parts.push(found.reduction)
      if (total.depth !== 0 && total.depth !== found.depth + 1)
        this.#problem(at, 'its children differ in depth')
      total.depth = found.depth + 1
    }
    if (!whole) return undefined
    total.reduction = tree.reducer?.combine(parts)
    return total
  }
}

function placeOf(link: MutableNode | NodePointer): string {
  if (link instanceof MutableNode) {
    return link.pointer === undefined ? 'a node in memory' : `node at ${link.pointer.position}`
  }
  return `node at ${link.position}`
}
