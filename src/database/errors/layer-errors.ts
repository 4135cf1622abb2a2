/**
 * What the storage engine throws, told in the terms of the table of errors. The engine's errors are known by their
 * `code`, those of the operating system by theirs. An error without a known code is a defect and stays what it is.
 */
import { isDiskFull } from '../../../native-free-btree/index.ts'
import { ByteFormatError } from '../../base/byte-codec.ts'
import { DatabaseError, type ErrorKind, operatingFailureOf } from '../../base/errors.ts'

const KINDS: Record<string, ErrorKind> = {
  DAMAGED: 'storageDamaged',
  NOT_A_STORE: 'storageDamaged',
  UNSUPPORTED_VERSION: 'storageDamaged',
  COMPARATOR_MISMATCH: 'storageDamaged',
  REDUCER_MISMATCH: 'storageDamaged',
  POISONED: 'storageUnavailable',
  IO_FAILED: 'storageUnavailable',
  WRITE_FAILED: 'storageUnavailable',
  SYNC_FAILED: 'storageUnavailable',
  READ_ONLY: 'storageUnavailable',
  ABORTED: 'storageUnavailable',
  LOCKED: 'storageUnavailable',
  SNAPSHOTS_OPEN: 'storageUnavailable',
  CLOSED: 'databaseClosed',
  KEY_TOO_LARGE: 'illegalDocumentId',
  VALUE_TOO_LARGE: 'documentTooLarge',
  ALREADY_EXISTS: 'databaseExists',
  NOT_FOUND: 'noDatabase',
}

/** Node's own names for the same. */
const SYSTEM_CODES: Record<string, string> = { ENOENT: 'NOT_FOUND', EEXIST: 'ALREADY_EXISTS' }

/** The `DatabaseError` for an error of the layers below, with that as its cause. */
export function databaseErrorOf(error: unknown): unknown {
  if (error instanceof ByteFormatError)
    return new DatabaseError('storageDamaged', error.message, { cause: error })
  if (error instanceof DatabaseError || !(error instanceof Error) || !('code' in error)) return error
  const code = String(error.code)
  if (isDiskFull(error)) return new DatabaseError('insufficientStorage', undefined, { cause: error })
  const kind = KINDS[SYSTEM_CODES[code] ?? code]
  if (kind === undefined) return operatingFailureOf(error) ?? error
  return new DatabaseError(kind, reasonOf(kind, error), { cause: error })
}

function reasonOf(kind: ErrorKind, error: Error): string | undefined {
  if (kind === 'storageDamaged') return error.message
  if (kind !== 'storageUnavailable') return undefined
  const failure = operatingFailureOf(error)
  return failure === undefined ? error.message : `${error.message}: ${failure.reason}`
}

/** Runs a synchronous read. */
export function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw databaseErrorOf(error)
  }
}

/** Awaits work of the engine. */
export async function awaiting<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw databaseErrorOf(error)
  }
}
