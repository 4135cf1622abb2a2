/**
 * What a revision tree keeps of a revision's body (`RevisionValue.body`): the 16 bytes of the reference, and
 * behind them, only when there is one, a byte of marks: 1 a design document's body with a
 * `validate_doc_update`. The mark saves a look into the body when an older leaf becomes the winner.
 */
import type { Reference } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'

export const REFERENCE_BYTES = 16
const VALIDATES = 1

export function encodeStoredBody(reference: Reference, validates: boolean): Uint8Array {
  return validates ? Buffer.concat([reference, Buffer.from([VALIDATES])]) : reference
}

/** The start of the reference in a stored body from `start` to `end`; there is none where `start` is negative. Throws storage_damaged. */
export function requireReference(start: number, end: number): number {
  if (start < 0 || end - start < REFERENCE_BYTES) throw noBody()
  return start
}

function noBody(): DatabaseError {
  return new DatabaseError('storageDamaged', 'a revision has no body')
}

/** Throws storage_damaged when there is no body. */
export function referenceOf(storedBody: Uint8Array | null): Reference {
  if (storedBody === null || storedBody.length < REFERENCE_BYTES) throw noBody()
  return storedBody.length === REFERENCE_BYTES ? storedBody : storedBody.subarray(0, REFERENCE_BYTES)
}

export function validates(storedBody: Uint8Array | null): boolean {
  return ((storedBody?.[REFERENCE_BYTES] ?? 0) & VALIDATES) !== 0
}
