/**
 * A few documents of a resynchronisation: what the function in force says of their leaves, found outside of the writers' turn and
 * written in it, with the place that it has come to, in one transaction.
 */

import { giveWay } from '../../base/time-slice.ts'
import { EMPTY_OUTPUT, nextState, type SyncOutput } from '../../channels/document-state.ts'
import { indexEdits, type StateAt } from '../../channels/index-entries.ts'
import type { DocumentEdit } from '../../database/api/database.ts'
import { GatewayError } from '../errors.ts'
import { OWN_PREFIX } from '../principals/principal.ts'
import type { DocumentLeaves } from '../store/document-leaves.ts'
import { shownBefore, shownRevision, type WriteTarget } from '../store/document-write.ts'
import type { LocalStore } from '../store/local-store.ts'
import type { DocumentOverrides, Override, Overrides } from '../store/overrides.ts'
import { type RecordedRevision, stateAt } from '../store/revision-record.ts'
import type { ResyncPlace, SyncMark } from './sync-mark.ts'

const MOST_DOCUMENTS = 64
/** Of bodies that are in memory together, beyond the last document's. */
const MOST_BYTES = 4 * 1024 * 1024

/** A database that is resynchronised. */
export interface ResyncTarget extends WriteTarget {
  readonly local: LocalStore
  readonly overrides: Overrides
  readonly mark: SyncMark
  leaves(id: string): DocumentLeaves | undefined
}

/** What the function says of a document's leaves. */
interface Said {
  id: string
  /** By the leaf's revision. */
  outputs: ReadonlyMap<string, SyncOutput>
}

interface Change {
  id: string
  before: StateAt
  after: StateAt
  overrides: DocumentOverrides
}

/**
 * Takes the documents that were written behind `place`. Resolves with where it has come to, which is durable; undefined at the
 * end. Rejects where `signal` ends it, and where the sandbox has no room.
 */
export async function resyncBatch(
  database: ResyncTarget,
  place: ResyncPlace,
  signal: AbortSignal,
): Promise<ResyncPlace | undefined> {
  const batch: Promise<Said>[] = []
  let { since } = place
  let bytes = 0
  for (const { id, seqNumber } of [...database.database.changes({ since, limit: MOST_DOCUMENTS }).rows]) {
    since = seqNumber
    const leaves = id.startsWith(OWN_PREFIX) ? undefined : database.leaves(id)
    if (leaves === undefined) continue
    batch.push(said(database, id, leaves, signal))
    for (const { body } of leaves.leaves) bytes += body.length
    if (bytes >= MOST_BYTES) break
    await giveWay()
  }
  if (since === place.since) return undefined
  const documents = await Promise.all(batch)
  return database.queue.alone(() => write(database, documents, { ...place, since }))
}

async function said(
  database: ResyncTarget,
  id: string,
  leaves: DocumentLeaves,
  signal: AbortSignal,
): Promise<Said> {
  const outputs = new Map<string, SyncOutput>()
  for (const leaf of leaves.leaves) outputs.set(leaf.view.rev, await outputOf(database, leaf, signal))
  return { id, outputs }
}

/** What the function refuses now stays, in no channel. */
async function outputOf(
  database: ResyncTarget,
  leaf: RecordedRevision,
  signal: AbortSignal,
): Promise<SyncOutput> {
  const { start, ids } = leaf.view.revisions()
  const parent = ids.length > 1 ? `${start - 1}-${ids[1]}` : undefined
  const [found] = parent === undefined ? [] : database.database.openRevs(leaf.view.id, [parent])
  const before = found !== undefined && 'ok' in found ? shownBefore(database.recorded(found.ok)) : undefined
  try {
    return await database.sync.run({ document: shownRevision(leaf), before, user: null }, signal)
  } catch (error) {
    if (error instanceof GatewayError && error.status !== 503) return EMPTY_OUTPUT
    throw error
  }
}

async function write(
  database: ResyncTarget,
  documents: readonly Said[],
  { since, changes }: ResyncPlace,
): Promise<ResyncPlace> {
  const made: Change[] = []
  for (const each of documents) {
    const change = changeOf(database, each)
    if (change !== undefined) made.push(change)
    await giveWay()
  }
  const place = { since, changes: changes + made.length }
  const noted = database.mark.edit(place)
  const kept = made.map(({ id, overrides }) => database.overrides.edit(id, overrides))
  const edits: DocumentEdit[] = [noted.edit, ...kept.map(({ edit }) => edit)]
  for (const { id, before, after } of made) edits.push(...indexEdits(id, before, after))
  await database.local.change(edits)
  noted.moved()
  for (const { written } of kept) written()
  for (const { id, before, after } of made) database.moved(id, before, after)
  return place
}

/** Undefined where nothing changes, or where the document was written meanwhile: then it comes again, behind. */
function changeOf(database: ResyncTarget, { id, outputs }: Said): Change | undefined {
  const leaves = database.leaves(id)
  const isAsAsked =
    leaves?.leaves.length === outputs.size && leaves.leaves.every(({ view }) => outputs.has(view.rev))
  if (leaves === undefined || !isAsAsked) return undefined
  if (leaves.leaves.every(({ view, record }) => isSame(outputs.get(view.rev)!, record.output)))
    return undefined
  const { winner, latest } = leaves
  const { rev, deleted } = winner.view
  const before = stateAt(latest)
  const known = database.overrides.of(id)
  const run = database.mark.ended + 1
  // What one found that was broken off for another function was never anybody's to see.
  const base = known?.run === run ? known.before : before.state
  const state = nextState(base, outputs.get(rev)!, { seq: before.seq, rev, deleted })
  const byRevision = new Map<string, Override>()
  for (const [each, override] of known?.byRevision ?? []) {
    if (isKept(database, id, each)) byRevision.set(each, { ...override, state: undefined })
  }
  for (const [each, output] of outputs) {
    byRevision.set(each, { output, state: each === latest.view.rev ? state : undefined })
  }
  return { id, before, after: { ...before, state }, overrides: { byRevision, run, before: base } }
}

function isKept(database: ResyncTarget, id: string, rev: string): boolean {
  const [found] = database.database.openRevs(id, [rev])
  return found !== undefined && 'ok' in found
}

function isSame(a: SyncOutput, b: SyncOutput): boolean {
  return textOf(a) === textOf(b)
}

function textOf({ channels, access, roles }: SyncOutput): string {
  const grants = (map: SyncOutput['access']): unknown =>
    [...map].map(([name, list]) => [name, [...list].sort()]).sort()
  return JSON.stringify([[...channels].sort(), grants(access), grants(roles)])
}
