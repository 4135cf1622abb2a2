/**
 * What a randomized test is asked to do: DAVENPORT_SEED chooses the seed, DAVENPORT_ROUNDS multiplies the
 * work, DAVENPORT_FULL=1 asks for full sizes. `npm run test:long` sets DAVENPORT_LONG=1. The seed goes into every failure, so that it can be repeated.
 */
export const seed = Number(process.env['DAVENPORT_SEED'] ?? 20_240_501) >>> 0
export const rounds = Math.max(1, Number(process.env['DAVENPORT_ROUNDS'] ?? 1))
export const fullSize = process.env['DAVENPORT_FULL'] === '1'
/** Whether a test that runs in `npm test` as well is to look at more cases. */
export const isLong = process.env['DAVENPORT_LONG'] === '1'

/** Adds how to repeat a failure to its message. */
export function explained(error: unknown, place: string): Error {
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error)
  return new Error(`${place} (DAVENPORT_SEED=${seed}): ${text}`, { cause: error })
}
