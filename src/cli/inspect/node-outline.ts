/** Nodes of trees as parts of a page that can be opened, down to the cells: as many as a page may have. */
import type { DescribedCell, FileInspection, NodeHandle } from '../../../native-free-btree/index.ts'
import { bytesText, escapeHtml, shownBytes } from '../../base/page-text.ts'
import { cellText, nodeName } from '../../lab/show/node-text.ts'

/** Of one tree. */
const MOST_NODES = 60
/** Of one node, that are opened; the first ones. */
const MOST_OPENED = 8
/** Of one node. */
const MOST_CELLS = 100

/** The node and what lies below it. `file` is the file's name, for who wants to see what is left out. */
export function treeOutline(inspection: FileInspection, tree: string, file: string): string {
  const root = inspection.root(tree)
  if (root === undefined) return '<p class="soft">The tree is empty.</p>'
  // Level by level, so that a bound cuts off the lowest.
  const opened = new Set<string>()
  let level: { handle: NodeHandle; path: number[] }[] = [{ handle: root, path: [] }]
  while (level.length > 0) {
    const next: typeof level = []
    for (const { handle, path } of level) {
      if (opened.size >= MOST_NODES) break
      opened.add(nodeName(tree, path))
      for (const [index, { child }] of inspection.node(handle).cells.slice(0, MOST_OPENED).entries()) {
        if (child !== undefined) next.push({ handle: child, path: [...path, index] })
      }
    }
    level = next
  }
  return outline(inspection, { tree, file, opened }, root, [])
}

interface Shown {
  readonly tree: string
  readonly file: string
  readonly opened: ReadonlySet<string>
}

function outline(
  inspection: FileInspection,
  shown: Shown,
  handle: NodeHandle,
  path: readonly number[],
): string {
  const name = nodeName(shown.tree, path)
  const { kind, base, cells } = inspection.node(handle)
  const place =
    handle.position === undefined
      ? 'in memory: the log behind the checkpoint changed it'
      : `at ${handle.position}, ${bytesText(handle.length!)}`
  const patch = base === undefined ? '' : `, a patch of the page at ${base.position}`
  const rows = cells.slice(0, MOST_CELLS).map((cell, index) => {
    const { child } = cell
    const below = [...path, index]
    if (child !== undefined && shown.opened.has(nodeName(shown.tree, below))) {
      return `<li>${keyOf(cell, index)}${outline(inspection, shown, child, below)}</li>`
    }
    return `<li>${keyOf(cell, index)} ${contentOf(cell)}</li>`
  })
  const hidden = cells.length - rows.length
  const command = `davenport inspect ${shown.file} --node ${name}`
  const more =
    hidden > 0 ? `<p class="soft">… and ${hidden} more: <code>${escapeHtml(command)}</code></p>` : ''
  return (
    `<details><summary>${kind === 'leaf' ? 'leaf' : 'inner node'} <code>${escapeHtml(name)}</code> ` +
    `<span class="soft">${escapeHtml(place + patch)}; ${handle.count} entries of ${bytesText(handle.bytes)}</span></summary>` +
    `<ol start="0">${rows.join('')}</ol>${more}</details>`
  )
}

function keyOf({ key, child }: DescribedCell, index: number): string {
  const text = child !== undefined && index === 0 ? 'below everything' : shownBytes(key)
  return `<code>${escapeHtml(text)}</code>`
}

function contentOf(cell: DescribedCell): string {
  return `<span class="soft">${escapeHtml(cellText(cell))}</span>`
}
