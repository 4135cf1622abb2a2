import { writeFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import type { FileInspection } from '../../../native-free-btree/index.ts'
import { databaseMap, mapValues } from '../../database/layout/file-map.ts'
import {
  cellLine,
  groupLines,
  type NodePlace,
  nodeAt,
  nodeHead,
  nodeName,
  nodePlace,
} from '../../lab/show/node-text.ts'
import { type Console, EXIT, type Parts } from '../parts.ts'
import { progressOf } from '../progress.ts'
import { withFile, withStoreFile } from '../store-file.ts'
import { mapPage } from './map-page.ts'
import { mapSvg } from './map-svg.ts'

export interface InspectFlags {
  readonly json?: boolean
  readonly map?: string
  readonly at?: string
  readonly node?: string
}

/** What a map is written as. */
const MAP_FORMATS = ['.html', '.svg', '.json']
/** Stretches of a map. */
const BUCKETS = 2400
/** Of a group, from the position on that was asked for. */
const MOST_RECORDS = 20

/** What is wrong with the options, or undefined. */
export function reasonAgainstFlags(file: string, { map, at, node }: InspectFlags): string | undefined {
  if ([map, at, node].filter((flag) => flag !== undefined).length > 1) {
    return 'inspect takes one of --map, --at and --node'
  }
  if (map !== undefined && !MAP_FORMATS.includes(extname(map))) {
    return `--map ${map}: its name must end with ${MAP_FORMATS.join(', ')}`
  }
  if (map !== undefined && resolve(map) === resolve(file)) return `--map ${map}: this is the database file`
  if (at !== undefined && !/^\d{1,15}$/.test(at)) return `--at ${at}: expected a position in the file`
  if (node !== undefined && nodePlace(node) === undefined) {
    return `--node ${node}: expected TREE or TREE/NUMBER/NUMBER…`
  }
  return undefined
}

/** Shows what a database file holds. */
export function inspect(file: string, flags: InspectFlags, parts: Parts, console: Console): Promise<number> {
  const { map, at, node } = flags
  if (map !== undefined) return inspected(file, parts, console, (it) => writeMap(it, file, map, console))
  if (at !== undefined)
    return inspected(file, parts, console, (it) => showGroup(it, Number(at), flags, console))
  const place = node === undefined ? undefined : nodePlace(node)
  if (place !== undefined) return inspected(file, parts, console, (it) => showNode(it, place, console))
  return summarize(file, flags, parts, console)
}

/** `name: value` a line. */
function summarize(file: string, { json }: InspectFlags, parts: Parts, console: Console): Promise<number> {
  return withStoreFile(file, parts, console, (store) => {
    const { uuid, commit, recovery } = store
    const { fileBytes, trees } = store.stats()
    if (json === true) {
      console.out(
        `${JSON.stringify({ file, uuid, commit, bytes: fileBytes, state: recovery.outcome, trees })}\n`,
      )
      return EXIT.ok
    }
    const lines = [
      `file: ${file}`,
      `uuid: ${uuid}`,
      `commit: ${commit}`,
      `bytes: ${fileBytes}`,
      `state: ${recovery.outcome}`,
      ...Object.entries(trees).map(
        ([name, { count, bytes, depth }]) => `tree ${name}: ${count} entries, ${bytes} bytes, depth ${depth}`,
      ),
    ]
    console.out(`${lines.join('\n')}\n`)
    return EXIT.ok
  })
}

function inspected(
  file: string,
  parts: Parts,
  console: Console,
  use: (inspection: FileInspection) => Promise<void>,
): Promise<number> {
  return withFile(file, console, async () => {
    const inspection = await parts.openInspection(file)
    try {
      await use(inspection)
      return EXIT.ok
    } finally {
      await inspection.close()
    }
  })
}

async function writeMap(
  inspection: FileInspection,
  file: string,
  target: string,
  console: Console,
): Promise<void> {
  const progress = progressOf(console, 'map')
  const found = await inspection
    .map({
      buckets: BUCKETS,
      values: mapValues,
      onProgress: (done, total) => progress.update(done, total),
    })
    .finally(() => progress.end())
  const map = databaseMap(found)
  const format = extname(target)
  const text =
    format === '.json'
      ? `${JSON.stringify({ file, ...map })}\n`
      : format === '.svg'
        ? mapSvg(map, file)
        : await mapPage(map, inspection, file)
  await writeFile(target, text)
  console.out(`${target}: the map of ${file}\n`)
}

/** The group in which a position lies, and the records from there on. */
async function showGroup(
  inspection: FileInspection,
  position: number,
  { json }: InspectFlags,
  console: Console,
): Promise<void> {
  const start = await inspection.groupAt(position)
  const group = await inspection.group(start, { most: MOST_RECORDS, at: position })
  if (json === true) {
    console.out(`${JSON.stringify(group)}\n`)
    return
  }
  console.out(`${groupLines(group).join('\n')}\n`)
}

/** A node by its place: the tree, and from the root on the number of each child. */
async function showNode(inspection: FileInspection, place: NodePlace, console: Console): Promise<void> {
  const node = nodeAt(inspection, place)
  if (node === undefined) {
    console.out(`the tree ${place.tree} is empty\n`)
    return
  }
  const lines = [nodeHead(nodeName(place.tree, place.path), node), ...node.cells.map(cellLine)]
  console.out(`${lines.join('\n')}\n`)
}
