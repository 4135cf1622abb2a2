/** Edits drawn in terms of what is stored, and all that a database answers beside what its model does. */

import { createHash } from 'node:crypto'
import { runAtOnce } from '../../src/base/time-slice.ts'
import type { Database, DocumentEdit, DocumentView } from '../../src/database/api/database.ts'
import { parseRevision } from '../../src/database/revisions/revision-id.ts'
import { edit } from './database-fixture.ts'
import { type DatabaseModel, generationOf, type ModelEdit } from './document-model.ts'

export const IDS = ['a', 'b', '_design/d', 'é', '😀', 'zz']

/** One edit, in terms that fit whatever is stored when its turn comes. */
export interface Choice {
  id: string
  deleted: boolean
  value: number
  /** Interactive: which leaf, an inner revision, an unknown one, or none. */
  base: 'none' | 'winner' | 'leaf' | 'inner' | 'unknown'
  pick: number
  /** Replicated: a branch for each generation; `onLeaf` puts it on a stored leaf, `known` cuts its history. */
  branches: string
  onLeaf: boolean
  known: number
}

const digest = (text: string): string => createHash('md5').update(text).digest('hex')

/** Newest first. A revision's id follows from its parent, so that histories never contradict each other. */
function replicatedPath(model: DatabaseModel, choice: Choice): string[] {
  const document = model.documents.get(choice.id)
  const leaves = document?.leaves() ?? []
  const path = choice.onLeaf && document ? document.path(leaves[choice.pick % leaves.length]!) : []
  for (const branch of choice.branches) {
    const parent = path[0] ?? ''
    path.unshift(`${(path[0] ? generationOf(path[0]) : 0) + 1}-${digest(parent + branch)}`)
  }
  return path.slice(0, Math.max(choice.known, 1))
}

function interactiveRev(model: DatabaseModel, { id, base, pick }: Choice): string | undefined {
  const document = model.documents.get(id)
  if (base === 'unknown') return `1-${'0'.repeat(32)}`
  if (base === 'none' || document === undefined) return undefined
  const leaves = document.leaves()
  if (base === 'winner') return leaves[0]
  const all = base === 'leaf' ? leaves : [...document.revisions.keys()]
  return all[pick % all.length]
}

/** The edit that a choice comes to, given what is stored. */
export function modelEdit(model: DatabaseModel, kind: string, choice: Choice): ModelEdit {
  const { id, deleted, value } = choice
  const members =
    id.startsWith('_design/') && value > 4 ? { v: value, validate_doc_update: '' } : { v: value }
  const body = JSON.stringify(members)
  if (kind === 'replicated') return { id, deleted, body, path: replicatedPath(model, choice) }
  return { id, deleted, body, rev: interactiveRev(model, choice) }
}

export function documentEdit({ id, deleted, body, rev, path }: ModelEdit): DocumentEdit {
  const more = { deleted, ...(rev === undefined ? {} : { rev }) }
  if (path === undefined) return edit(id, body, more)
  const ids = path.map((text) => text.slice(text.indexOf('-') + 1))
  return edit(id, body, { deleted, revisions: { start: generationOf(path[0]!), ids } })
}

/** Makes the edits in the database and in the model, whose outcomes must agree. */
export async function applyEdits(
  database: Database,
  model: DatabaseModel,
  kind: 'interactive' | 'replicated',
  choices: readonly Choice[],
): Promise<void> {
  const wanted = choices.map((choice) => modelEdit(model, kind, choice))
  const results = await database.update(wanted.map(documentEdit), { newEdits: kind === 'interactive' })
  const byId = [...new Set(wanted.map((one) => one.id))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
  for (const id of byId) {
    const group = wanted.filter((one) => one.id === id)
    if (kind === 'replicated') {
      model.replicate(id, group)
      continue
    }
    const ok = model.interact(id, group, (one) => results[wanted.indexOf(one)]!.rev!)
    for (const [at, one] of group.entries()) {
      const result = results[wanted.indexOf(one)]!
      equal(result.ok, ok[at], `${JSON.stringify(one)} gave ${JSON.stringify(result)}`)
    }
  }
}

/** Whether two values that are no objects, or lists of such, are the same. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!same(a[i], b[i])) return false
  return true
}

/** Throws unless both are written alike in JSON. */
export function equal(found: unknown, wanted: unknown, what: string): void {
  if (same(found, wanted)) return
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: found ${a}, wanted ${b}`)
}

/** What one view shows of many documents is what each has a view of its own for. */
function compareStored(database: Database, ids: readonly string[]): void {
  for (const id of ids) {
    const row = database.lookup(id)
    const key = Buffer.from(`-${id}-`)
    const stored = database.storedRow(key, 1, key.length - 1)
    equal(stored?.deleted, row?.deleted, `${id}: stored`)
    if (stored !== undefined) equal(shownOf(stored), shownOf(row!.document()), `${id}: as it is stored`)
  }
}

function shownOf(view: DocumentView): unknown {
  const { id, rev, deleted, localSeq, expiresAtMs = null } = view
  const body = view.body().toString()
  const attachments = view.attachments().map(({ name, length }) => [name, length])
  const leaves = [view.conflicts(), view.deletedConflicts(), view.revsInfo(), view.revisions()]
  return { id, rev, deleted, localSeq, expiresAtMs, body, attachments, leaves }
}

function compareDocument(database: Database, model: DatabaseModel, id: string): void {
  const document = model.documents.get(id)!
  const leaves = document.leaves()
  const views = database.openRevs(id, 'all').map((row) => ('ok' in row ? row.ok : undefined)!)
  equal(
    views.map((view) => view.rev),
    leaves,
    `${id}: leaves`,
  )
  for (const view of views) {
    const { deleted, body } = document.revisions.get(view.rev)!
    equal([view.deleted, view.body().toString()], [deleted, body], `${id} ${view.rev}: body`)
    const status = (rev: string): string => {
      const known = document.revisions.get(rev)!
      return known.body === undefined ? 'missing' : known.deleted ? 'deleted' : 'available'
    }
    const history = view.revsInfo().map((one) => [one.rev, one.status])
    const path = document.path(view.rev).map((rev, at) => {
      const gone = model.compacted && at > 0 && history[at]?.[1] === 'missing'
      return [rev, gone ? 'missing' : status(rev)]
    })
    equal(history, path, `${id} ${view.rev}: history`)
  }
  const winner = views[0]!
  const others = leaves.slice(1)
  const isDeleted = (rev: string): boolean => document.revisions.get(rev)!.deleted
  equal(
    winner.conflicts(),
    others.filter((rev) => !isDeleted(rev)),
    `${id}: conflicts`,
  )
  equal(winner.deletedConflicts(), others.filter(isDeleted), `${id}: deleted conflicts`)
  equal(winner.localSeq, document.seq, `${id}: sequence`)
  const inner = [...document.revisions.keys()].find((rev) => !leaves.includes(rev))
  if (inner !== undefined) {
    const below = leaves.filter((leaf) => document.path(leaf).includes(inner))
    equal(database.get(id, { rev: inner, latest: true }).rev, below[0], `${id}: latest`)
    equal(runAtOnce(database.missingRevs(id, [parseRevision(inner)])).missing, [], `${id}: missing`)
  }
}

function compareListings(database: Database, model: DatabaseModel): void {
  const live = model.live()
  equal(
    [...database.allDocs().rows].map((row) => row.id),
    live,
    'all docs',
  )
  for (const descending of [false, true]) {
    const travel = descending ? [...live].reverse() : live
    const from = IDS[model.updateSeq % IDS.length]!
    const after = travel.filter((id) => {
      const order = Buffer.compare(Buffer.from(id), Buffer.from(from))
      return descending ? order <= 0 : order >= 0
    })
    const page = database.allDocs({ descending, startKey: from, skip: 1, limit: 2 })
    equal(
      [...page.rows].map((row) => row.id),
      after.slice(1, 3),
      `range from ${from}`,
    )
    equal(page.offset, Math.min(live.length, travel.length - after.length + 1), 'offset')
  }
  const changes = model.changes()
  const rows = [...database.changes({ style: 'all_docs' }).rows]
  const wanted = changes.map((id) => {
    const document = model.documents.get(id)!
    return [id, document.seq, document.deleted, document.leaves()]
  })
  equal(
    rows.map((row) => [row.id, row.seqNumber, row.deleted, row.revs]),
    wanted,
    'changes',
  )
  const half = database.changes({ since: rows[rows.length >> 1]?.seq, limit: 1 })
  const rest = rows.length > 0 ? changes.slice((rows.length >> 1) + 1) : []
  equal(
    [...half.rows].map((row) => row.id),
    rest.slice(0, 1),
    'changes since',
  )
  equal(half.pending(), Math.max(0, rest.length - 1), 'pending')
}

/** Compares everything that can be asked; throws at the first difference. */
export function compareDatabase(database: Database, model: DatabaseModel): void {
  for (const id of model.documents.keys()) compareDocument(database, model, id)
  compareStored(database, [...model.documents.keys(), 'not there'])
  compareListings(database, model)
  const info = database.info()
  const documents = [...model.documents.values()]
  const bodies = documents.flatMap((one) => one.leaves().map((leaf) => one.revisions.get(leaf)!.body!.length))
  const validating = [...model.documents].some(
    ([id, one]) =>
      id.startsWith('_design/') &&
      !one.deleted &&
      one.revisions.get(one.winner)!.body!.includes('validate_doc_update'),
  )
  equal(
    [info.docCount, info.docDelCount],
    [model.live().length, documents.length - model.live().length],
    'counts',
  )
  equal(
    info.sizes.external,
    bodies.reduce((sum, bytes) => sum + bytes, 0),
    'external size',
  )
  equal(database.hasValidation(), validating, 'validation')
  const local = [...model.local].sort(([a], [b]) => (a < b ? -1 : 1))
  equal(
    [...database.localDocs()].map(({ id, rev, body }) => [id, rev, body.toString()]),
    local.map(([id, { rev, body }]) => [id, `0-${rev}`, body]),
    'local documents',
  )
}
