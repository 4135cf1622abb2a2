import type { ServerResponse } from 'node:http'
import { DatabaseError } from '../../base/errors.ts'

/** One for all: without it each request would make an exception, with its stack, when its answer has gone out. */
export const GONE = new DatabaseError('clientGone')

/** Aborted when the client goes, or has its answer; the reason is `GONE`. */
export function goneSignal({ response }: { readonly response: ServerResponse }): AbortSignal {
  const gone = new AbortController()
  if (response.destroyed) gone.abort(GONE)
  else response.once('close', () => gone.abort(GONE))
  return gone.signal
}
