/** Nodes down to their cells, as the trees have them. */
import type { PageSource } from '../cache/page-source.ts'
import { StorageError } from '../errors.ts'
import type { DescribedCell, DescribedNode, NodeHandle } from '../inspection.ts'
import { CellView, readCell } from '../page/cell.ts'
import { cellCount, cellOffset, isLeaf } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import type { PageOrigin } from '../page/origin.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import { readReference } from '../page/reference.ts'

const view = new CellView()

/** A handle that knows its node. */
class Handle implements NodeHandle {
  readonly link: MutableNode | NodePointer
  readonly position: number | undefined
  readonly length: number | undefined
  readonly count: number
  readonly bytes: number

  constructor(link: MutableNode | NodePointer) {
    const pointer = link instanceof MutableNode ? link.pointer : link
    this.link = link
    this.position = pointer?.position
    this.length = pointer?.length
    this.count = link.count
    this.bytes = link.bytes
  }
}

export function handleOf(link: MutableNode | NodePointer): NodeHandle {
  return new Handle(link)
}

/** Throws DAMAGED, and INVALID_ARGUMENT for a handle that is none. */
export function describeNode(source: PageSource, handle: NodeHandle): DescribedNode {
  if (!(handle instanceof Handle)) throw new StorageError('INVALID_ARGUMENT', 'this is no handle of a node')
  const { link, position, length, count, bytes } = handle
  const { page, origin, children } = contentOf(source, link)
  const kind = isLeaf(page) ? 'leaf' : 'inner'
  const cells: DescribedCell[] = []
  for (let i = 0; i < cellCount(page); i++) {
    cells.push(
      kind === 'leaf' ? entryOf(page, i) : childOf(page, i, children?.[i] ?? readPointer(page, i, false)),
    )
  }
  const base = origin && { position: origin.base.position, length: origin.base.length }
  return { position, length, count, bytes, kind, base, cells }
}

function contentOf(
  source: PageSource,
  link: MutableNode | NodePointer,
): { page: Buffer; origin: PageOrigin | undefined; children: MutableNode['children'] } {
  if (link instanceof MutableNode && link.pointer === undefined) return link
  const { position, length, hash } = link instanceof MutableNode ? link.pointer! : link
  return { ...source.readPage(position, length, hash), children: undefined }
}

function entryOf(page: Buffer, index: number): DescribedCell {
  readCell(page, cellOffset(page, index), view)
  const key = Buffer.from(page.subarray(view.keyStart, view.keyEnd))
  const payload = Buffer.from(page.subarray(view.payloadStart, view.end))
  if (!view.isReference) return { key, value: payload }
  const { position, length, chunked } = readReference(payload)
  return { key, reference: { position, length, isIndex: chunked } }
}

function childOf(page: Buffer, index: number, child: MutableNode | NodePointer): DescribedCell {
  readCell(page, cellOffset(page, index), view)
  return { key: Buffer.from(page.subarray(view.keyStart, view.keyEnd)), child: new Handle(child) }
}
