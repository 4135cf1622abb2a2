/** What `lab show` shows at once, and where one can go from there. */
import type { FileInspection } from '../../../native-free-btree/index.ts'
import { plainText } from '../../base/page-text.ts'
import { cellLine, fieldLine, groupLines, type NodePlace, nodeAt, nodeHead, nodeName } from './node-text.ts'

export type Place =
  | { readonly kind: 'file' }
  | { readonly kind: 'superblocks' }
  | { readonly kind: 'group'; readonly position: number }
  | ({ readonly kind: 'node' } & NodePlace)

export interface Row {
  readonly text: string
  /** What is shown when the row is chosen. */
  readonly to?: Place
}

export interface View {
  readonly title: string
  readonly rows: readonly Row[]
  /** Where it was come from, or would have been. */
  readonly above: Place | undefined
}

/** Of a group. */
const MOST_RECORDS = 200
/** FORMAT.md: it follows the two superblocks. */
const GENESIS = 8192

/** Throws, or rejects with, StorageError for a place that is not in the file, and Error for a node that is not there. */
export async function viewOf(inspection: FileInspection, place: Place): Promise<View> {
  if (place.kind === 'file') return fileView(inspection)
  if (place.kind === 'superblocks') return superblocksView(inspection)
  if (place.kind === 'group') return groupView(inspection, place.position)
  return nodeView(inspection, place)
}

function fileView(inspection: FileInspection): View {
  const { uuid, commit, fileBytes, durableEnd, lastGroup, treeNames } = inspection
  const rows: Row[] = [
    { text: `uuid: ${uuid}` },
    { text: `commit: ${commit}` },
    { text: `bytes: ${fileBytes}, the groups that count end at ${durableEnd}` },
    { text: 'superblocks: two slots, of which the newer one counts', to: { kind: 'superblocks' } },
    { text: `genesis group at ${GENESIS}`, to: { kind: 'group', position: GENESIS } },
  ]
  if (lastGroup !== undefined) {
    rows.push({ text: `last group at ${lastGroup}`, to: { kind: 'group', position: lastGroup } })
  }
  const empty: string[] = []
  for (const tree of treeNames) {
    const root = inspection.root(tree)
    if (root === undefined) empty.push(plainText(tree))
    else {
      const text = `tree ${plainText(tree)}: ${root.count} entries of ${root.bytes} bytes`
      rows.push({ text, to: { kind: 'node', tree, path: [] } })
    }
  }
  // Those whose orders whoever opens it brings along need not be in the file.
  if (empty.length > 0) rows.push({ text: `empty: ${empty.join(', ')}` })
  return { title: 'file', rows, above: undefined }
}

async function superblocksView(inspection: FileInspection): Promise<View> {
  const slots = await inspection.superblocks()
  const rows = slots.flatMap((fields, slot) => [
    { text: `slot ${slot}` },
    ...fields.map((field) => ({ text: fieldLine(field) })),
  ])
  return { title: 'superblocks', rows, above: { kind: 'file' } }
}

async function groupView(inspection: FileInspection, position: number): Promise<View> {
  const group = await inspection.group(position, { most: MOST_RECORDS })
  const [title = '', ...lines] = groupLines(group)
  const rows: Row[] = lines.map((text) => ({ text }))
  const hidden = group.recordCount - group.records.length
  if (hidden > 0) rows.push({ text: `… and ${hidden} records more` })
  const { previous } = group
  if (previous !== undefined) {
    rows.unshift({ text: `previous group at ${previous}`, to: { kind: 'group', position: previous } })
  }
  return { title, rows, above: { kind: 'file' } }
}

function nodeView(inspection: FileInspection, place: NodePlace): View {
  const { tree, path } = place
  const node = nodeAt(inspection, place)
  const above: Place = path.length === 0 ? { kind: 'file' } : { kind: 'node', tree, path: path.slice(0, -1) }
  if (node === undefined) return { title: `the tree ${plainText(tree)} is empty`, rows: [], above }
  const rows = node.cells.map((cell, index): Row => {
    const text = cellLine(cell, index)
    return cell.child === undefined ? { text } : { text, to: { kind: 'node', tree, path: [...path, index] } }
  })
  return { title: nodeHead(nodeName(tree, path), node), rows, above }
}

/**
 * From the root to the leaf in which the key is or would be, the nodes on the way with the number of the cell that is taken:
 * of an inner node the last one whose key is not behind it, of a leaf the key's own. Bytewise, as far as a tree is.
 */
export function descent(
  inspection: FileInspection,
  tree: string,
  key: Uint8Array,
): { place: NodePlace; taken: number | undefined }[] {
  const steps: { place: NodePlace; taken: number | undefined }[] = []
  for (let path: number[] = []; ; ) {
    const place = { tree, path }
    const node = nodeAt(inspection, place)
    if (node === undefined) return steps
    if (node.kind === 'leaf') {
      const found = node.cells.findIndex((cell) => Buffer.compare(cell.key, key) === 0)
      steps.push({ place, taken: found < 0 ? undefined : found })
      return steps
    }
    // The first child takes whatever is before the second one's key.
    const behind = node.cells.findIndex((cell, index) => index > 0 && Buffer.compare(cell.key, key) > 0)
    const taken = (behind < 0 ? node.cells.length : behind) - 1
    steps.push({ place, taken })
    path = [...path, taken]
  }
}
