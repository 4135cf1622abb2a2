/**
 * Runs the present sync function over all leaves of all documents, as after it was changed. What it says now is kept beside the
 * documents (see `store/overrides.ts`), document by document, so that one that is broken off can be done again.
 */
import { giveWay } from '../../base/time-slice.ts'
import { EMPTY_OUTPUT, nextState, type SyncOutput } from '../../channels/document-state.ts'
import { indexEdits } from '../../channels/index-entries.ts'
import { GatewayError } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { OWN_PREFIX } from '../principals/principal.ts'
import { shownBefore, shownRevision } from '../store/document-write.ts'
import type { Override } from '../store/overrides.ts'
import { type RecordedRevision, stateAt } from '../store/revision-record.ts'

/** Resolves with the number of documents of which it says something else than before. */
export async function resynchronise(database: GatewayDatabase, gone: AbortSignal): Promise<number> {
  let changes = 0
  let since = 0
  const last = database.indexedSeq
  while (since < last) {
    const rows = [...database.database.changes({ since, limit: 100 }).rows]
    if (rows.length === 0) break
    for (const { id, seqNumber } of rows) {
      since = seqNumber
      if (gone.aborted) throw new GatewayError(503, 'The resynchronisation was broken off')
      if (!id.startsWith(OWN_PREFIX) && (await resyncDocument(database, id, gone))) changes += 1
      await giveWay()
    }
  }
  if (changes > 0) database.changed()
  return changes
}

function resyncDocument(database: GatewayDatabase, id: string, gone: AbortSignal): Promise<boolean> {
  return database.queue.alone(async () => {
    const leaves = database.leaves(id)
    if (leaves === undefined) return false
    const outputs = new Map<string, SyncOutput>()
    let isChanged = false
    for (const leaf of leaves.leaves) {
      const output = await outputOf(database, leaf, gone)
      outputs.set(leaf.view.rev, output)
      if (!isSame(output, leaf.record.output)) isChanged = true
    }
    if (!isChanged) return false
    const { winner, latest } = leaves
    const before = stateAt(latest)
    const { rev, deleted } = winner.view
    const next = nextState(before.state, outputs.get(rev)!, { seq: before.seq, rev, deleted })
    const after = { ...before, state: next }
    const overrides = new Map<string, Override>(
      [...outputs].map(([each, output]) => [
        each,
        { output, state: each === latest.view.rev ? next : undefined },
      ]),
    )
    await database.overrides.set(id, overrides, indexEdits(id, before, after))
    database.moved(id, before, after)
    return true
  })
}

/** What the function refuses now stays, in no channel. */
async function outputOf(
  database: GatewayDatabase,
  leaf: RecordedRevision,
  gone: AbortSignal,
): Promise<SyncOutput> {
  const { start, ids } = leaf.view.revisions()
  const parent = ids.length > 1 ? `${start - 1}-${ids[1]}` : undefined
  const [found] = parent === undefined ? [] : database.database.openRevs(leaf.view.id, [parent])
  const before = found !== undefined && 'ok' in found ? shownBefore(database.recorded(found.ok)) : undefined
  try {
    return await database.sync.run({ document: shownRevision(leaf), before, user: null }, gone)
  } catch (error) {
    if (error instanceof GatewayError && error.status !== 503) return EMPTY_OUTPUT
    throw error
  }
}

function isSame(a: SyncOutput, b: SyncOutput): boolean {
  return textOf(a) === textOf(b)
}

function textOf({ channels, access, roles }: SyncOutput): string {
  const grants = (map: SyncOutput['access']): unknown =>
    [...map].map(([name, list]) => [name, [...list].sort()]).sort()
  return JSON.stringify([[...channels].sort(), grants(access), grants(roles)])
}
