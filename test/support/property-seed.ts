import { randomInt } from 'node:crypto'
import type { Test } from 'tap'

/** The seed of a file's property tests: from the environment variable SEED, else random; printed. */
export function propertySeed(t: Test): number {
  const seed = Number(process.env['SEED'] ?? randomInt(0x7fffffff))
  t.comment(`SEED=${seed}`)
  return seed
}
