/** A map of a database's file, in the database's own words. */
import type { FileMap, MapKind, MapOptions, NamedValue } from '../../../native-free-btree/index.ts'
import { decodeAttachments } from './attachment-records.ts'
import { decodeInfoTree } from './document-info.ts'
import { TREES } from './layout.ts'
import { referenceOf } from './stored-body.ts'

const BODIES = 'bodies'
const ATTACHMENTS = 'attachments'
const EARLIER = 'earlier'

/**
 * `MapOptions.values` of a database, by what a compaction takes along: bodies of leaf revisions, their attachments, and apart
 * from those bodies of revisions with descendants, which can be read until then. An attachment that no leaf has is of no use,
 * although a tree names it.
 */
export const mapValues: NonNullable<MapOptions['values']> = (tree, value) => {
  if (tree !== TREES.id) return []
  const named: NamedValue[] = []
  for (const node of decodeInfoTree(Buffer.from(value)).nodes) {
    if (node.value === null) continue
    const isLeaf = node.children === 0
    named.push({ reference: referenceOf(node.value.body), kind: isLeaf ? BODIES : EARLIER })
    if (!isLeaf) continue
    for (const { reference } of decodeAttachments(node.value.attachments)) {
      named.push({ reference, kind: ATTACHMENTS })
    }
  }
  return named
}

/** What is drawn in one colour. `garbage` is what a compaction gives back, beside `earlier`. */
export const MAP_FAMILIES = [
  'bodies',
  'attachments',
  'documents',
  'changes',
  'trees',
  'log',
  'structure',
  'earlier',
  'garbage',
  'behind',
  'unread',
] as const

export type MapFamily = (typeof MAP_FAMILIES)[number]

export interface DescribedKind extends MapKind {
  readonly family: MapFamily
  /** For people. */
  readonly title: string
}

const PARTS: Record<Exclude<MapKind['part'], 'nodes' | 'values'>, [MapFamily, string]> = {
  superblocks: ['structure', 'superblocks'],
  headers: ['structure', 'headers of groups'],
  padding: ['structure', 'padding'],
  log: ['log', 'log that the next opening replays'],
  oldNodes: ['garbage', 'old nodes'],
  oldValues: ['garbage', 'old bodies and attachments'],
  oldLog: ['garbage', 'old log'],
  behind: ['behind', 'behind the last commit'],
  unread: ['unread', 'damaged, or behind damage'],
}

const NODES: Record<string, [MapFamily, string]> = {
  [TREES.id]: ['documents', 'tree of documents (id)'],
  [TREES.seq]: ['changes', 'tree of changes (seq)'],
  [TREES.attachments]: ['trees', 'tree of attachments'],
  [TREES.local]: ['trees', 'local documents'],
}

const VALUES: Record<string, [MapFamily, string]> = {
  [BODIES]: ['bodies', 'document bodies'],
  [ATTACHMENTS]: ['attachments', 'attachments'],
  [EARLIER]: ['earlier', 'bodies of earlier revisions'],
}

function describeKind({ part, name }: MapKind): DescribedKind {
  const known =
    part === 'nodes' || part === 'values'
      ? Object.entries(part === 'nodes' ? NODES : VALUES).find(([key]) => key === name)?.[1]
      : PARTS[part]
  const [family, title] = known ?? ['trees', part === 'nodes' ? `tree ${name}` : `values of tree ${name}`]
  return { part, name, family, title }
}

/** Can be printed as JSON, and sent. */
export interface DatabaseMap {
  readonly commit: number
  readonly fileBytes: number
  /** Length of a bucket; the last one ends with the file. */
  readonly bucketBytes: number
  /** In the order of `MAP_FAMILIES`. */
  readonly kinds: readonly DescribedKind[]
  /** Bytes by kind, over the whole file. */
  readonly totals: readonly number[]
  /** For each stretch of the file its bytes by kind, rounded. */
  readonly buckets: readonly (readonly number[])[]
  readonly trees: FileMap['trees']
  readonly groups: number
  readonly damaged: number
  readonly sampling: number
}

/** The map in the order in which it is drawn. */
export function databaseMap(map: FileMap): DatabaseMap {
  const { kinds, bytes, ...rest } = map
  const columns = kinds
    .map((kind, index) => ({ kind: describeKind(kind), index }))
    .sort((a, b) => MAP_FAMILIES.indexOf(a.kind.family) - MAP_FAMILIES.indexOf(b.kind.family))
  const buckets: number[][] = []
  const totals = columns.map(() => 0)
  for (let at = 0; at < bytes.length; at += kinds.length) {
    buckets.push(columns.map(({ index }) => Math.round(bytes[at + index]!)))
    for (const [i, { index }] of columns.entries()) totals[i]! += bytes[at + index]!
  }
  return { ...rest, kinds: columns.map(({ kind }) => kind), totals: totals.map(Math.round), buckets }
}
