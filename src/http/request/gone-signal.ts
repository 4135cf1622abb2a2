import type { Exchange } from './exchange.ts'

/** Aborted when the client goes, or has its answer. */
export function goneSignal({ response }: Exchange): AbortSignal {
  const gone = new AbortController()
  if (response.destroyed) gone.abort()
  else response.once('close', () => gone.abort())
  return gone.signal
}
