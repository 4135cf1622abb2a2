/** Nodes and groups of a file as lines, under the names that FORMAT.md gives them. */
import type {
  DescribedCell,
  DescribedField,
  DescribedGroup,
  DescribedNode,
  FileInspection,
  NodeHandle,
} from '../../../native-free-btree/index.ts'
import { bytesText, plainText, shownBytes } from '../../base/page-text.ts'

/** A node's place: its tree, and from the root on the number of each child. */
export interface NodePlace {
  readonly tree: string
  readonly path: readonly number[]
}

/** What a node is called on the command line. */
export function nodeName(tree: string, path: readonly number[]): string {
  return [tree, ...path].join('/')
}

/** Undefined for what is no name of a node. */
export function nodePlace(name: string): NodePlace | undefined {
  if (!/^[^/]+(\/\d{1,9})*$/.test(name)) return undefined
  const [tree = '', ...numbers] = name.split('/')
  return { tree, path: numbers.map(Number) }
}

/** Undefined when the tree is empty. Throws Error for a place where no node is, and StorageError UNKNOWN_TREE. */
export function nodeAt(inspection: FileInspection, { tree, path }: NodePlace): DescribedNode | undefined {
  let handle: NodeHandle | undefined = inspection.root(tree)
  for (const [depth, number] of path.entries()) {
    handle = handle && inspection.node(handle).cells[number]?.child
    if (handle === undefined) throw new Error(`there is no node ${nodeName(tree, path.slice(0, depth + 1))}`)
  }
  return handle && inspection.node(handle)
}

/** What it is, and where. */
export function nodeHead(
  name: string,
  { kind, position, length, count, bytes, base }: DescribedNode,
): string {
  const place = position === undefined ? 'in memory' : `at ${position}, ${length} bytes`
  const patch = base === undefined ? '' : `, a patch of the page at ${base.position}`
  return plainText(`${kind} ${name} ${place}${patch}: ${count} entries of ${bytes} bytes`)
}

/** A cell by its number in the node. */
export function cellLine(cell: DescribedCell, index: number): string {
  return plainText(`  ${String(index).padStart(5)}  ${shownBytes(cell.key)}  ${cellText(cell)}`)
}

/** What stands behind a cell's key. */
export function cellText({ value, reference, child }: DescribedCell): string {
  if (value !== undefined) return `${value.length} bytes: ${shownBytes(value)}`
  if (reference !== undefined) {
    return `${reference.length} bytes at ${reference.position}${reference.isIndex ? ', in chunks' : ''}`
  }
  const place = child!.position === undefined ? 'in memory' : `at ${child!.position}`
  return `node ${place}: ${child!.count} entries of ${bytesText(child!.bytes)}`
}

/** The fields of a group's header, and those of its records that were asked for. */
export function groupLines({
  position,
  type,
  length,
  fields,
  records,
  recordCount,
}: DescribedGroup): string[] {
  const lines = [
    `${type} group at ${position}, ${length} bytes, ${recordCount} records`,
    ...fields.map(fieldLine),
  ]
  for (const record of records) {
    lines.push(
      `${record.type} at ${record.position}, ${record.length} bytes`,
      ...record.fields.map(fieldLine),
    )
  }
  return lines.map(plainText)
}

export function fieldLine({ position, length, type, name, value }: DescribedField): string {
  return plainText(
    `  ${String(position).padStart(12)} ${String(length).padStart(6)}  ${type.padEnd(9)} ${name}: ${value}`,
  )
}
