/**
 * Every way in which the engine refuses or fails, in one table. Callers tell errors apart by `code`; messages
 * are for people and may change.
 */
export const STORAGE_ERRORS = {
  LOCKED: 'Another opening of this store holds its lock.',
  DAMAGED: 'Committed data is not what was written; the details name the place and the evidence.',
  POISONED:
    'An earlier failure left the file in doubt; reads go on, writes are refused until it is reopened.',
  CLOSED: 'The store, file, snapshot or transaction is closed.',
  READ_ONLY: 'A write was asked of something opened for reading.',
  KEY_TOO_LARGE: 'The key is longer than a store accepts.',
  VALUE_TOO_LARGE: 'The value is longer than a store accepts.',
  COMPARATOR_MISMATCH: 'The tree was made with a comparator of another name or version.',
  REDUCER_MISMATCH: 'The tree was made with a reducer of another name or version.',
  UNKNOWN_TREE: 'The store has no tree of this name.',
  NOT_A_STORE: 'The file does not begin as a store does.',
  UNSUPPORTED_VERSION: 'The file was written in a format that this version does not read.',
  IO_FAILED: 'The operating system refused or failed; `cause` is its error, `details.systemCode` its name.',
  WRITE_FAILED:
    'A write failed, or could not be begun; what it left behind does not count. It may be tried again.',
  SYNC_FAILED: 'A sync failed: what was written since the last good one may be lost.',
  NOT_FOUND: 'No such file, key or commit.',
  ALREADY_EXISTS: 'What should have been created exists.',
  SNAPSHOTS_OPEN: 'Open snapshots stand in the way.',
  INVARIANT: 'The engine contradicted itself; this is a defect in it.',
  INVALID_ARGUMENT: 'An argument is not what the function takes.',
  ABORTED: 'The caller withdrew the request by its signal.',
} as const

export type StorageErrorCode = keyof typeof STORAGE_ERRORS

export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  /** What a program may want to know of this failure: paths, positions, pids, lengths. */
  readonly details: Record<string, unknown>

  /** `message` defaults to the meaning of `code`; `cause` keeps the error beneath. */
  constructor(
    code: StorageErrorCode,
    message: string = STORAGE_ERRORS[code],
    details: Record<string, unknown> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }
}

/** The `code` of an operating system error ('ENOENT', ...), or undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof StorageError) return undefined
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' ? code : undefined
}

/** Stops an operation whose invariant does not hold before it can reach the disk. Throws INVARIANT. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new StorageError('INVARIANT', what)
}

/** A write that found the disk full, of which nothing was kept. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = 'code' in at ? at.code : undefined
    if (code === 'ENOSPC' || code === 'EDQUOT') return true
    if (code === 'POISONED') return false
  }
  return false
}
