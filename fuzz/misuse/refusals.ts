/** What a misused call has to answer: an error of the library's table, or what the caller's own code threw. */
import { StorageError, type StorageErrorCode } from '../../native-free-btree/index.ts'
import { CallersError } from './hostile-values.ts'

export function isCode(error: unknown, code: StorageErrorCode): boolean {
  return error instanceof StorageError && error.code === code
}

/** Throws unless the error is one of the table, and no contradiction of the engine's. */
export function typed(what: string, error: unknown): void {
  if (error instanceof CallersError || (error instanceof StorageError && error.code !== 'INVARIANT')) return
  throw new Error(`${what} failed with an error that is in no table`, { cause: error })
}

function assertRefusal(what: string, error: unknown, codes: readonly StorageErrorCode[] | undefined): void {
  typed(what, error)
  if (codes === undefined || error instanceof CallersError) return
  if (!codes.includes((error as StorageError).code))
    throw new Error(`${what} was refused otherwise`, { cause: error })
}

/** Throws unless the call throws one of `codes`; any of the table when there are none. */
export function refused(what: string, call: () => unknown, codes?: readonly StorageErrorCode[]): void {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    assertRefusal(what, error, codes)
    return
  }
  throw new Error(`${what} was taken, and answered by a ${typeof result}`)
}

/** As `refused`, of a call that may give a promise. */
export async function awaitRefusal(
  what: string,
  call: () => unknown,
  codes?: readonly StorageErrorCode[],
): Promise<void> {
  let result: unknown
  try {
    result = await call()
  } catch (error) {
    assertRefusal(what, error, codes)
    return
  }
  throw new Error(`${what} was taken, and answered by a ${typeof result}`)
}
