/** `davenport lab show`. */
import { type FileInspection, openInspection, StorageError } from '../../../native-free-btree/index.ts'
import type { LabConsole, LabStatus } from '../console.ts'
import { LabError, messageOf } from '../lab-error.ts'
import { browse } from '../show/browser.ts'
import { cellLine, nodeAt, nodeHead, nodeName, nodePlace } from '../show/node-text.ts'
import { processTerminal } from '../show/terminal.ts'
import { descent, type Place, viewOf } from '../show/views.ts'

/** Opens a file to be looked at. */
export type OpensInspection = (path: string) => Promise<FileInspection>

/** Trees whose order their owner brings along are not known to it. */
export const openWithoutOrders: OpensInspection = (path) => openInspection(path)

export interface ShowOptions {
  /** `superblocks`, TREE or TREE/NUMBER/…, or the position of a group. */
  readonly at: string | undefined
  /** With `tree`: the key to which the way from the root is shown; text, or 0x and hex. */
  readonly key: string | undefined
  readonly tree: string | undefined
}

/** 1 when the file is damaged where it was looked at. */
export async function show(
  file: string,
  options: ShowOptions,
  open: OpensInspection,
  console: LabConsole,
): Promise<LabStatus> {
  const { at, key, tree } = options
  if ((key === undefined) !== (tree === undefined)) throw new LabError('--key and --tree go together')
  if (key !== undefined && at !== undefined) throw new LabError('show takes --at, or --tree and --key')
  let inspection: FileInspection
  try {
    inspection = await open(file)
  } catch (error) {
    throw new LabError(`${file}: ${messageOf(error)}`)
  }
  try {
    if (tree !== undefined && key !== undefined) console.out(wayText(inspection, tree, bytesOf(key)))
    else if (at !== undefined) console.out(await placeText(inspection, await placeOf(inspection, at)))
    else await walkThrough(inspection, file, console)
    return 0
  } catch (error) {
    const isDamage = error instanceof StorageError && error.code === 'DAMAGED'
    if (!isDamage) throw new LabError(`${file}: ${messageOf(error)}`)
    console.err(`${file}: ${error.message}\n`)
    return 1
  } finally {
    await inspection.close()
  }
}

async function placeOf(inspection: FileInspection, at: string): Promise<Place> {
  if (at === 'superblocks') return { kind: 'superblocks' }
  if (/^\d{1,15}$/.test(at)) return { kind: 'group', position: await inspection.groupAt(Number(at)) }
  const node = nodePlace(at)
  if (node === undefined) throw new Error(`--at takes superblocks, a position, or TREE/NUMBER/…, not ${at}`)
  return { kind: 'node', ...node }
}

async function placeText(inspection: FileInspection, place: Place): Promise<string> {
  const { title, rows } = await viewOf(inspection, place)
  return `${[title, ...rows.map(({ text }) => text)].join('\n')}\n`
}

/** By keys in a terminal. Elsewhere the file, its superblocks, its last group, and of each tree the way to its first leaf. */
async function walkThrough(inspection: FileInspection, file: string, console: LabConsole): Promise<void> {
  const terminal = processTerminal()
  if (terminal !== undefined) {
    try {
      await browse(inspection, file, terminal)
    } finally {
      terminal.end()
    }
    return
  }
  const { lastGroup, treeNames } = inspection
  const places: Place[] = [{ kind: 'file' }, { kind: 'superblocks' }]
  if (lastGroup !== undefined) places.push({ kind: 'group', position: lastGroup })
  for (const place of places) console.out(`${await placeText(inspection, place)}\n`)
  for (const tree of treeNames) {
    if (inspection.root(tree) !== undefined) console.out(wayText(inspection, tree, new Uint8Array()))
  }
}

/** Nodes from the root on, with the cell that is taken and its neighbours. */
function wayText(inspection: FileInspection, tree: string, key: Uint8Array): string {
  const lines = descent(inspection, tree, key).flatMap(({ place, taken }) => {
    const node = nodeAt(inspection, place)
    if (node === undefined) return []
    const around = taken ?? 0
    const cells = node.cells.map((cell, index) => {
      return `${index === taken ? ' →' : '  '}${cellLine(cell, index).slice(2)}`
    })
    const from = Math.max(0, around - AROUND)
    return [nodeHead(nodeName(tree, place.path), node), ...cells.slice(from, around + AROUND + 1), '']
  })
  return lines.length === 0 ? `the tree ${tree} is empty\n\n` : `${lines.join('\n')}\n`
}

/** Cells that are shown on each side of the one that is taken. */
const AROUND = 3

function bytesOf(key: string): Uint8Array {
  return /^0x(?:[0-9a-fA-F]{2})*$/.test(key) ? Buffer.from(key.slice(2), 'hex') : Buffer.from(key)
}
