/** What a document of a `_replicator` database says of its replication: written by the server, read for `_scheduler/docs`. */
import { DatabaseError } from '../base/errors.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import {
  replicationDigest,
  STATE,
  STATE_ID,
  STATE_REASON,
  STATE_STATISTICS,
  STATE_TIME,
  shortMembers,
  storedForm,
  urlWithoutCredentials,
  withMembers,
} from './documents/replicator-document.ts'
import { isoTime } from './iso-time.ts'

export type StateMembers = Readonly<Record<string, unknown>>

export function completedState(statistics: Readonly<Record<string, unknown>>, nowMs: number): StateMembers {
  return {
    [STATE]: 'completed',
    [STATE_TIME]: isoTime(nowMs),
    [STATE_REASON]: undefined,
    [STATE_STATISTICS]: statistics,
  }
}

export function failedState(reason: string, nowMs: number): StateMembers {
  return {
    [STATE]: 'failed',
    [STATE_TIME]: isoTime(nowMs),
    [STATE_STATISTICS]: undefined,
    [STATE_REASON]: reason,
  }
}

export const NO_STATE: StateMembers = {
  [STATE]: undefined,
  [STATE_TIME]: undefined,
  [STATE_REASON]: undefined,
  [STATE_ID]: undefined,
  [STATE_STATISTICS]: undefined,
}

/** What CouchDB's `update_docs` adds: that a replication is to run, or why it does not. Undefined where the document says so, or more. */
export function passingState(
  before: StateMembers,
  state: 'triggered' | 'error',
  note: { readonly id: string | null; readonly reason?: string | undefined; readonly nowMs: number },
): StateMembers | undefined {
  if (before[STATE] === 'completed' || before[STATE] === 'failed') return undefined
  const { id, reason, nowMs } = note
  const isSame = before[STATE] === state
  if (isSame && before[STATE_ID] === id && before[STATE_REASON] === reason) return undefined
  return {
    [STATE]: state,
    [STATE_TIME]: isSame ? before[STATE_TIME] : isoTime(nowMs),
    [STATE_REASON]: reason,
    [STATE_ID]: id,
    [STATE_STATISTICS]: undefined,
  }
}

const MOST_ATTEMPTS = 20

/**
 * Writes it into the document, as long as that stands for the replication of `digest`. False: it does not any more, or is gone, or
 * there is nothing to write. Validation functions are not asked. Rejects as `Database.update` does.
 */
export async function writeState(
  database: Pick<Database, 'lookup' | 'update'>,
  id: string,
  digest: string,
  change: StateMembers | ((before: StateMembers) => StateMembers | undefined),
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const row = database.lookup(id)
    if (row === undefined || row.deleted) return false
    const view = row.document()
    if (replicationDigest(view.body()) !== digest) return false
    const members = typeof change === 'function' ? change(shortMembers(view.body(), STATES)) : change
    if (members === undefined) return false
    const form = await storedForm(withMembers(view.body(), members))
    const attachments = view
      .attachments()
      .map(({ name }) => ({ kind: 'stub' as const, name, revpos: undefined }))
    const expiry = view.expiresAtMs === undefined ? undefined : { atMs: view.expiresAtMs }
    const edit = { ...form, id, rev: view.rev, deleted: false, attachments, expiry }
    const [result] = await database.update([edit])
    if (result!.ok) return true
    if (result!.refusal.kind !== 'conflict' || attempt === MOST_ATTEMPTS) throw result!.refusal
  }
}

const STATES: ReadonlySet<string> = new Set(Object.keys(NO_STATE))

const SHOWN: ReadonlySet<string> = new Set([
  'source',
  'target',
  STATE,
  STATE_TIME,
  STATE_REASON,
  STATE_STATISTICS,
])

/** As `_scheduler/docs` tells of a document whose replication has ended; undefined where it has not. */
export function endedInfo(database: string, view: DocumentView): Record<string, unknown> | undefined {
  const members = shortMembers(view.body(), SHOWN)
  const state = members[STATE]
  if (state !== 'completed' && state !== 'failed') return undefined
  const time = members[STATE_TIME] ?? null
  const statistics = members[STATE_STATISTICS]
  const { start_time = null, ...counted } = isObject(statistics) ? statistics : {}
  const isCompleted = state === 'completed'
  return {
    database,
    doc_id: view.id,
    id: null,
    source: shownEndpoint(members['source']),
    target: shownEndpoint(members['target']),
    state,
    error_count: isCompleted ? 0 : 1,
    info: isCompleted ? counted : failureInfo(members[STATE_REASON]),
    start_time: isCompleted ? start_time : time,
    last_updated: time,
  }
}

function failureInfo(reason: unknown): Record<string, unknown> | null {
  if (reason === undefined || reason === null) return null
  return { error: typeof reason === 'string' ? reason : JSON.stringify(reason) }
}

/** Null for what is none. */
function shownEndpoint(value: unknown): string | null {
  const url = isObject(value) ? value['url'] : value
  if (typeof url !== 'string') return null
  if (!/^https?:\/\//i.test(url)) return url
  const shown = urlWithoutCredentials(url)
  return shown.includes('?') || shown.endsWith('/') ? shown : `${shown}/`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function stateOf(body: Uint8Array): unknown {
  return shortMembers(body, STATE_ONLY)[STATE]
}

const STATE_ONLY: ReadonlySet<string> = new Set([STATE])

export function isGone(error: unknown): boolean {
  return error instanceof DatabaseError && error.kind === 'noDatabase'
}
