/** Results as JSON, by default below bench/results, named by the time of the run. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { repositoryRoot } from '../src/lab/peers/packages.ts'

/**
 * Writes `content` and returns the path; undefined when `out` is empty.
 * @param out undefined for the usual place.
 */
export function writeResults(
  benchmark: string,
  at: Date,
  out: string | undefined,
  content: object,
): string | undefined {
  if (out === '') return undefined
  const stamp = at.toISOString().slice(0, 19).replaceAll(':', '')
  const path = out ?? join(repositoryRoot(), 'bench', 'results', `${benchmark}-${stamp}.json`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(content, undefined, 1)}\n`)
  return path
}
