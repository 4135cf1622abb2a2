/**
 * When documents expire (`_exp`, as in Sync Gateway). What holds:
 * - A document has one time or none: that of the last revision, other than a deletion, that was added to it. A document
 *   without a live leaf has none. The time is no part of a revision: it is not hashed, and does not travel.
 * - It stands in the document's entry (`document-info.ts`) and, for the order, in the tree `expiry`; one
 *   transaction writes both.
 * - When it has come, every live leaf gets a tombstone with an empty body, as a DELETE of it would leave, so
 *   that the document is gone and two replicas that expire it agree on the revision.
 *
 * Key of the tree `expiry`: milliseconds since the epoch, 6 bytes; number of the document's last change, 6 bytes,
 * which makes it unique (an id may be as long as a key). Value: u8 version, 1; document id, UTF-8.
 */
import type { Snapshot, Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import { checkVersion, seqKey, TREES, VALUE_VERSION } from './layout.ts'

/** As a client gives it: a time, or a time from the moment of writing. Milliseconds. */
export type Expiry = { atMs: number } | { afterMs: number }

/** Where a document stands in the tree. */
export interface ExpiryPlace {
  /** Undefined: it does not expire. */
  expiresAtMs: number | undefined
  /** Number of its last change. */
  seq: number
}

const TIME_BYTES = 6
const SECOND_MS = 1000
/** Bytes; a date has some thirty. */
const LONGEST_TEXT = 128
/** Numbers up to this are intervals, as in Couchbase Server. */
const LONGEST_INTERVAL_SECONDS = 30 * 24 * 60 * 60
/** The end of the year 9999, the last that the ISO form can write. */
const LAST_TIME_MS = 253_402_300_799_999
/** RFC 3339, which is what Sync Gateway reads of ISO 8601. */
const DATE = /^(\d{4}-\d\d-(\d\d))T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

/**
 * The value of `_exp`, given as JSON: an ISO date with its zone; seconds, as a number or digits, since the epoch
 * or, up to 30 days, from now; 0 and null are none. Throws badRequest.
 */
export function parseExpiry(text: Uint8Array): Expiry | null {
  if (text.length > LONGEST_TEXT) throw invalid()
  const value: unknown = JSON.parse(Buffer.from(text).toString())
  if (value === null) return null
  if (typeof value === 'number') return expiryOfSeconds(value)
  if (typeof value === 'string' && /^\d+$/.test(value)) return expiryOfSeconds(Number(value))
  const atMs = typeof value === 'string' ? timeOfDate(value) : undefined
  if (atMs === undefined) throw invalid()
  return { atMs }
}

function expiryOfSeconds(seconds: number): Expiry | null {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds * SECOND_MS > LAST_TIME_MS) throw invalid()
  if (seconds === 0) return null
  const ms = seconds * SECOND_MS
  return seconds <= LONGEST_INTERVAL_SECONDS ? { afterMs: ms } : { atMs: ms }
}

function timeOfDate(text: string): number | undefined {
  const found = DATE.exec(text)
  if (found === null) return undefined
  const atMs = Date.parse(text.toUpperCase())
  // Engines take the 31st of a shorter month for a day of the next one.
  const sameDay = new Date(`${found[1]}T00:00:00Z`).getUTCDate() === Number(found[2])
  return sameDay && atMs >= 0 && atMs <= LAST_TIME_MS ? atMs : undefined
}

function invalid(): DatabaseError {
  const reason = 'Invalid expiry: `_exp` must be an ISO 8601 date with a time zone, or a number of seconds'
  return new DatabaseError('badRequest', reason)
}

export function resolveExpiry(expiry: Expiry, nowMs: number): number {
  return 'atMs' in expiry ? expiry.atMs : nowMs + expiry.afterMs
}

/** As `_exp` is answered: `2016-07-06T16:00:00Z`, with milliseconds where there are any. */
export function formatExpiry(expiresAtMs: number): string {
  return new Date(expiresAtMs).toISOString().replace('.000Z', 'Z')
}

function expiryKey(expiresAtMs: number, seq: number): Buffer {
  const key = Buffer.alloc(TIME_BYTES)
  key.writeUIntBE(expiresAtMs, 0, TIME_BYTES)
  return Buffer.concat([key, seqKey(seq)])
}

/** `key` is the document's id in UTF-8. */
export function moveExpiry(
  tx: Pick<Transaction, 'put' | 'delete'>,
  key: Uint8Array,
  before: ExpiryPlace | undefined,
  after: ExpiryPlace | undefined,
): void {
  if (before?.expiresAtMs !== undefined) tx.delete(TREES.expiry, expiryKey(before.expiresAtMs, before.seq))
  if (after?.expiresAtMs === undefined) return
  const value = Buffer.concat([Buffer.from([VALUE_VERSION]), key])
  tx.put(TREES.expiry, expiryKey(after.expiresAtMs, after.seq), value)
}

/** Ids of documents, UTF-8, whose time has come, the earliest first. */
export function listDue(snapshot: Snapshot, nowMs: number, limit: number): Buffer[] {
  const cursor = snapshot.tree(TREES.expiry).cursor({ end: expiryKey(nowMs + 1, 0) })
  const ids: Buffer[] = []
  while (ids.length < limit && cursor.next()) {
    const value = cursor.value()
    checkVersion(value, TREES.expiry)
    ids.push(value.subarray(1))
  }
  return ids
}

/** Undefined while no document expires. */
export function firstExpiry(snapshot: Snapshot): number | undefined {
  const cursor = snapshot.tree(TREES.expiry).cursor()
  return cursor.next() ? cursor.key().readUIntBE(0, TIME_BYTES) : undefined
}
