/**
 * What a database holds, in figures that two databases can be compared by: documents, leaf revisions, and a digest of all
 * revision trees. The digest is the sum, modulo 2^256, of a hash for each document, so that it does not depend on the order in
 * which changes come; a document's hash is of its id and, in their order, of its leaves with their ancestors. Bodies need no look:
 * a revision's id is made of its body.
 */
import { createHash } from 'node:crypto'
import type { MigrationPeer } from './peer.ts'

export interface DatabaseSummary {
  readonly documents: number
  readonly deleted: number
  readonly leaves: number
  /** 64 hex digits. */
  readonly digest: string
}

interface Change {
  readonly id: string
  readonly isDeleted: boolean
  readonly revs: readonly string[]
}

const PAGE = 1000
/** Leaves that are asked for at once, of documents of any size. */
const BATCH = 200
const MOST_ANSWER_BYTES = 64 * 1024 * 1024
const MODULUS = 1n << 256n

/** Hears of the number of documents so far. */
export type OnDocuments = (count: number) => void

export async function summarize(
  peer: MigrationPeer,
  signal: AbortSignal,
  onDocuments: OnDocuments = () => undefined,
): Promise<DatabaseSummary> {
  let sum = 0n
  let documents = 0
  let deleted = 0
  let leaves = 0
  for await (const changes of pages(peer, signal)) {
    for (const batch of batches(changes)) {
      const paths = await pathsOf(peer, batch, signal)
      for (const { id, isDeleted, revs } of batch) {
        const lines = revs.map((rev) => paths.get(leafKey(id, rev)) ?? `${rev} missing`)
        const text = JSON.stringify([id, lines.sort()])
        sum = (sum + BigInt(`0x${createHash('sha256').update(text).digest('hex')}`)) % MODULUS
        if (isDeleted) deleted += 1
        else documents += 1
        leaves += revs.length
      }
      onDocuments(documents + deleted)
    }
  }
  return { documents, deleted, leaves, digest: sum.toString(16).padStart(64, '0') }
}

async function* pages(peer: MigrationPeer, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
  let since = '0'
  for (;;) {
    const query = { style: 'all_docs', since, limit: String(PAGE) }
    const { status, value } = await peer.call({ method: 'GET', path: '_changes', query }, signal)
    const { results, last_seq } = value as { results?: unknown; last_seq?: unknown }
    if (status !== 200 || !Array.isArray(results)) throw new Error(`_changes: status ${status}`)
    yield results.map(changeOf)
    if (results.length < PAGE) return
    since = typeof last_seq === 'string' ? last_seq : JSON.stringify(last_seq)
  }
}

function changeOf(row: unknown): Change {
  const {
    id,
    deleted = false,
    changes,
  } = row as {
    id: string
    deleted?: boolean
    changes: readonly { rev: string }[]
  }
  return { id, isDeleted: deleted, revs: changes.map(({ rev }) => rev) }
}

function* batches(changes: readonly Change[]): Generator<readonly Change[]> {
  let batch: Change[] = []
  let count = 0
  for (const change of changes) {
    batch.push(change)
    count += change.revs.length
    if (count < BATCH) continue
    yield batch
    batch = []
    count = 0
  }
  if (batch.length > 0) yield batch
}

function leafKey(id: string, rev: string): string {
  return `${rev} ${id}`
}

/** Each leaf with its ancestors. An answer that is too long is asked for in halves. */
async function pathsOf(
  peer: MigrationPeer,
  changes: readonly Change[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const wanted = changes.flatMap(({ id, revs }) => revs.map((rev) => ({ id, rev })))
  const paths = new Map<string, string>()
  const ask = async (docs: readonly { id: string; rev: string }[]): Promise<void> => {
    const query = { revs: 'true', attachments: 'false' }
    const call = {
      method: 'POST',
      path: '_bulk_get',
      query,
      json: { docs },
      mostBytes: MOST_ANSWER_BYTES,
    } as const
    try {
      const { status, value } = await peer.call(call, signal)
      if (status !== 200) throw new Error(`_bulk_get: status ${status}`)
      notePaths(value, paths)
    } catch (error) {
      if (docs.length <= 1 || !isTooLong(error)) throw error
      const half = Math.ceil(docs.length / 2)
      await ask(docs.slice(0, half))
      await ask(docs.slice(half))
    }
  }
  if (wanted.length > 0) await ask(wanted)
  return paths
}

function isTooLong(error: unknown): boolean {
  return error instanceof Error && 'error' in error && error.error === 'answer_too_large'
}

interface FoundRevision {
  readonly _id: string
  readonly _rev: string
  readonly _deleted?: boolean
  readonly _revisions?: { readonly start: number; readonly ids: readonly string[] }
}

function notePaths(value: unknown, paths: Map<string, string>): void {
  const { results = [] } = value as { results?: readonly { docs?: readonly { ok?: FoundRevision }[] }[] }
  for (const { docs = [] } of results) {
    for (const { ok } of docs) {
      if (ok === undefined) continue
      const { _id, _rev, _deleted = false, _revisions } = ok
      const path = `${_revisions?.start}:${_revisions?.ids.join(',')}`
      paths.set(leafKey(_id, _rev), `${_rev}${_deleted ? ' deleted' : ''} ${path}`)
    }
  }
}
