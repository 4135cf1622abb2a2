/** Reads of one document. */
import { DatabaseError } from '../../base/errors.ts'
import type { Steps } from '../../base/time-slice.ts'
import type { DocumentView, GetOptions, MissingRevisions, OpenRevision } from '../api/database.ts'
import { reading } from '../errors/layer-errors.ts'
import { type DocumentInfo, decodeInfo } from '../layout/document-info.ts'
import { idKey, TREES } from '../layout/layout.ts'
import { formatRevision, parseRevision, type Revision } from '../revisions/revision-id.ts'
import type { RevisionNode } from '../revisions/revision-tree.ts'
import { type ViewSource, viewOfNode } from './document-view.ts'
import { WinnerView } from './winner-view.ts'

const STEP_VALUES = 512

/** A store, or what a transaction sees of it. */
export interface DocumentSource extends ViewSource {
  get(tree: string, key: Uint8Array): Buffer | undefined
}

export function readInfo(store: DocumentSource, id: string): DocumentInfo | undefined {
  const value = store.get(TREES.id, idKey(id))
  return value === undefined ? undefined : decodeInfo(value)
}

/** Throws not_found, and bad_request for a malformed revision. */
export function getDocument(store: DocumentSource, id: string, options: GetOptions): DocumentView {
  if (options.rev === undefined) {
    const value = store.get(TREES.id, idKey(id))
    if (value === undefined) throw new DatabaseError('missing')
    const view = new WinnerView(store, id, value, options.room)
    if (view.deleted) throw new DatabaseError('deleted')
    return view
  }
  const revision = parseRevision(options.rev)
  const info = readInfo(store, id)
  if (info === undefined) throw new DatabaseError('missing')
  const named = info.tree().find(revision.pos, revision.id)
  const node = named !== null && options.latest ? info.tree().leafFinder()(named)[0]! : named
  const view = node === null ? undefined : viewOfNode(store, id, info, node)
  if (view === undefined) throw new DatabaseError('missing')
  return view
}

/** Each leaf that the revisions lead to once, then the revisions that are not known. */
function openLatest(
  store: DocumentSource,
  id: string,
  info: DocumentInfo,
  revisions: readonly Revision[],
): OpenRevision[] {
  const found = new Map<string, OpenRevision>()
  const missing: OpenRevision[] = []
  const leavesBelow = info.tree().leafFinder()
  for (const revision of revisions) {
    const node = info.tree().find(revision.pos, revision.id)
    if (node === null) missing.push({ missing: formatRevision(revision) })
    for (const leaf of node === null ? [] : leavesBelow(node)) {
      found.set(formatRevision(leaf), { ok: viewOfNode(store, id, info, leaf)! })
    }
  }
  return [...found.values(), ...missing]
}

/**
 * With 'all' every leaf, deleted ones too; throws not_found when there is no document. With a list each of
 * them, or that it is missing; throws bad_request for a malformed one.
 */
export function openRevisions(
  store: DocumentSource,
  id: string,
  revs: 'all' | readonly string[],
  options: { latest?: boolean },
): OpenRevision[] {
  const wanted = revs === 'all' ? [] : revs.map((rev) => parseRevision(rev))
  const value = store.get(TREES.id, idKey(id))
  if (value !== undefined && wanted.length === 1) {
    // Most ask for the present revision: no tree is made of the entry for them.
    const winner = new WinnerView(store, id, value)
    if (winner.rev === formatRevision(wanted[0]!)) return [{ ok: winner }]
  }
  const info = value === undefined ? undefined : decodeInfo(value)
  if (revs === 'all') {
    if (info === undefined) throw new DatabaseError('missing')
    const leaves = info.tree().leaves()
    return leaves.map((leaf) => ({ ok: viewOfNode(store, id, info, leaf)! }))
  }
  if (info !== undefined && options.latest) return openLatest(store, id, info, wanted)
  return wanted.map((revision) => {
    const node = info?.tree().find(revision.pos, revision.id)
    const view = info && node ? viewOfNode(store, id, info, node) : undefined
    return view ? { ok: view } : { missing: formatRevision(revision) }
  })
}

/** What an edit finds: it conflicts, or replaces a revision, or none. */
export type Replaced = 'conflict' | DocumentView | undefined

/**
 * What an interactive edit replaces: a leaf, or nothing where there is no document or a deleted one. As in CouchDB a
 * deletion needs a revision, and a document that is deleted takes none.
 */
export function replacedLeaf(
  store: DocumentSource,
  id: string,
  rev: string | undefined,
  deleted: boolean,
): Replaced {
  const info = readInfo(store, id)
  if (rev === undefined) return info === undefined || (info.deleted && !deleted) ? undefined : 'conflict'
  // A new document may come with a revision, which becomes a part of its history.
  if (info === undefined) return undefined
  const { pos, id: revisionId } = parseRevision(rev)
  const node = info.tree().find(pos, revisionId)
  if (info.deleted || node?.children !== 0) return 'conflict'
  return viewOfNode(store, id, info, node)
}

/** The nearest ancestor of a replicated path, newest first and without its head, that is stored with its body. */
export function storedAncestor(
  store: DocumentSource,
  id: string,
  path: readonly Revision[],
): DocumentView | undefined {
  const info = readInfo(store, id)
  if (info === undefined) return undefined
  const tree = info.tree()
  let node: RevisionNode | null = null
  for (let at = 0; at < path.length && node === null; at++) node = tree.find(path[at]!.pos, path[at]!.id)
  while (node !== null && node.value === null) node = node.parent
  return node === null ? undefined : viewOfNode(store, id, info, node)
}

/**
 * A revision that is known as an ancestor is not missing, its body or not. Possible ancestors are the leaves
 * that are older than some missing revision, the best last.
 */
export function* missingRevisions(
  open: () => DocumentSource,
  id: string,
  wanted: readonly Revision[],
): Steps<MissingRevisions> {
  const known = reading(() => readInfo(open(), id)?.tree())
  const missing = known === undefined ? wanted : yield* known.missing(wanted)
  const ancestors = known === undefined ? [] : known.possibleAncestors(missing)
  return {
    missing:
      missing.length < STEP_VALUES ? missing.map(formatRevision) : yield* mapSteps(missing, formatRevision),
    possibleAncestors:
      ancestors.length < STEP_VALUES
        ? ancestors.map(formatRevision)
        : yield* mapSteps(ancestors, formatRevision),
  }
}

function* mapSteps<T, U>(values: readonly T[], map: (value: T) => U): Steps<U[]> {
  const mapped: U[] = []
  for (const value of values) {
    mapped.push(map(value))
    if (mapped.length % STEP_VALUES === 0) yield
  }
  return mapped
}
