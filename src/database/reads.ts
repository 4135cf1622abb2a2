/** Reads of one document. */
import type { Store } from '../../native-free-btree/index.ts'
import { DatabaseError } from '../base/errors.ts'
import type { DocumentView, GetOptions, OpenRevision } from './api.ts'
import { type DocumentInfo, decodeInfo } from './document-info.ts'
import type { Leaf } from './document-revisions.ts'
import { viewOfRevision, viewOfWinner } from './document-view.ts'
import { idKey, TREES } from './layout.ts'
import { formatRevision, parseRevision, type Revision } from './revision-id.ts'

export function readInfo(store: Store, id: string): DocumentInfo | undefined {
  const value = store.get(TREES.id, idKey(id))
  return value === undefined ? undefined : decodeInfo(value)
}

function viewOfLeaf(store: Store, id: string, info: DocumentInfo, leaf: Leaf): DocumentView {
  return viewOfRevision(store, id, info, leaf.revision, leaf.stored)
}

/** Throws not_found, and bad_request for a malformed revision. */
export function getDocument(store: Store, id: string, options: GetOptions): DocumentView {
  const revision = options.rev === undefined ? undefined : parseRevision(options.rev)
  const info = readInfo(store, id)
  if (info === undefined) throw new DatabaseError('missing')
  if (revision === undefined) {
    if (info.deleted) throw new DatabaseError('deleted')
    return viewOfWinner(store, id, info)
  }
  if (options.latest) {
    const leaf = info.revisions().leavesFrom(revision)[0]
    if (leaf) return viewOfLeaf(store, id, info, leaf)
  }
  const stored = info.revisions().find(revision)?.stored
  if (stored === undefined) throw new DatabaseError('missing')
  return viewOfRevision(store, id, info, revision, stored)
}

/** Each leaf that the revisions lead to once, then those that lead nowhere. */
function openLatest(store: Store, id: string, info: DocumentInfo, revisions: Revision[]): OpenRevision[] {
  const found = new Map<string, OpenRevision>()
  const missing: OpenRevision[] = []
  for (const revision of revisions) {
    const leaves = info.revisions().leavesFrom(revision)
    if (leaves.length === 0) missing.push({ missing: formatRevision(revision) })
    for (const leaf of leaves) {
      found.set(formatRevision(leaf.revision), { ok: viewOfLeaf(store, id, info, leaf) })
    }
  }
  return [...found.values(), ...missing]
}

/**
 * With 'all' every leaf, deleted ones too; throws not_found when there is no document. With a list each of
 * them, or that it is missing; throws bad_request for a malformed one.
 */
export function openRevisions(
  store: Store,
  id: string,
  revs: 'all' | readonly string[],
  options: { latest?: boolean },
): OpenRevision[] {
  const wanted = revs === 'all' ? [] : revs.map((rev) => parseRevision(rev))
  const info = readInfo(store, id)
  if (revs === 'all') {
    if (info === undefined) throw new DatabaseError('missing')
    return info
      .revisions()
      .leaves()
      .map((leaf) => ({ ok: viewOfLeaf(store, id, info, leaf) }))
  }
  if (info === undefined) return wanted.map((revision) => ({ missing: formatRevision(revision) }))
  if (options.latest) return openLatest(store, id, info, wanted)
  return wanted.map((revision) => {
    const stored = info.revisions().find(revision)?.stored
    return stored
      ? { ok: viewOfRevision(store, id, info, revision, stored) }
      : { missing: formatRevision(revision) }
  })
}

/**
 * A revision that is known as an ancestor is not missing, its body or not. Possible ancestors are the leaves
 * that are older than some missing revision, the best last. Throws bad_request for a malformed revision.
 */
export function missingRevisions(
  store: Store,
  id: string,
  revs: readonly string[],
): { missing: string[]; possibleAncestors: string[] } {
  const wanted = revs.map((rev) => parseRevision(rev))
  const info = readInfo(store, id)
  if (info === undefined) return { missing: wanted.map(formatRevision), possibleAncestors: [] }
  const revisions = info.revisions()
  const missing = wanted.filter((revision) => revisions.find(revision) === undefined)
  const newest = missing.reduce((most, revision) => Math.max(most, revision.pos), 0)
  const older = revisions.leaves().filter((leaf) => leaf.revision.pos < newest)
  return {
    missing: missing.map(formatRevision),
    possibleAncestors: older.map((leaf) => formatRevision(leaf.revision)).reverse(),
  }
}
