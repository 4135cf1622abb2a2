/**
 * Local documents (`_local/...`): replication checkpoints and the like. They have no history and no place in
 * the update sequence. Their revision is `0-N`: a write gives one above the revision that it names, or 0-1
 * when it names none, whatever is stored; a deletion answers 0-0. No write of one conflicts (CouchDB 3).
 *
 * Value in the tree `local`: u8 version, u48 N, canonical JSON of the body.
 */
import type { Snapshot, Store, Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { AllDocsOptions, LocalDocument } from '../api/database.ts'
import { checkVersion, idKey, LOCAL_PREFIX, TREES, VALUE_VERSION } from '../layout/layout.ts'
import { SnapshotRows } from '../layout/snapshot-rows.ts'
import { travelRange } from '../layout/travel-range.ts'

const NUMBER_AT = 1
const BODY_AT = 7
const LOCAL_REVISION = /^0-(\d{1,14})$/

function encode(number: number, body: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(BODY_AT + body.length)
  value[0] = VALUE_VERSION
  value.writeUIntBE(number, NUMBER_AT, 6)
  value.set(body, BODY_AT)
  return value
}

function decode(id: string, value: Buffer): LocalDocument {
  checkVersion(value, TREES.local)
  return { id, rev: `0-${value.readUIntBE(NUMBER_AT, 6)}`, body: value.subarray(BODY_AT) }
}

/** Key of a local document. `id` is without the `_local/`. */
export function localKey(id: string): Buffer {
  return idKey(id)
}

/** The N that a write on `rev` gives. Throws bad_request when `rev` is not of the form 0-N. */
export function nextLocalNumber(rev: string | undefined): number {
  if (rev === undefined) return 1
  const number = LOCAL_REVISION.exec(rev)?.[1]
  if (number === undefined) throw new DatabaseError('badRequest', 'Invalid rev format')
  return Number(number) + 1
}

export function getLocalDocument(store: Pick<Store, 'get'>, id: string): LocalDocument | undefined {
  const value = store.get(TREES.local, localKey(id))
  return value === undefined ? undefined : decode(id, value)
}

/** Returns the new revision. */
export function writeLocalDocument(tx: Transaction, key: Buffer, body: Uint8Array, number: number): string {
  tx.put(TREES.local, key, encode(number, body))
  return `0-${number}`
}

/** Returns the revision of a deletion. */
export function removeLocalDocument(tx: Transaction, key: Buffer): string {
  tx.delete(TREES.local, key)
  return '0-0'
}

/** As `_local_docs` lists them; keys with or without the `_local/`. */
export function listLocalDocuments(
  snapshot: Snapshot,
  options: AllDocsOptions,
): IterableIterator<LocalDocument> {
  const keyOf = (id: string | undefined): Buffer | undefined =>
    id === undefined ? undefined : localKey(id.startsWith(LOCAL_PREFIX) ? id.slice(LOCAL_PREFIX.length) : id)
  const range = travelRange(keyOf(options.startKey), keyOf(options.endKey), options)
  let left = range === undefined ? 0 : (options.limit ?? Number.POSITIVE_INFINITY)
  const cursor = snapshot
    .tree(TREES.local)
    .cursor({ ...range, reverse: options.descending === true, skip: options.skip })
  return new SnapshotRows(snapshot, () => {
    if (left <= 0 || !cursor.next()) return undefined
    left -= 1
    return decode(cursor.key().toString(), cursor.value())
  })
}
