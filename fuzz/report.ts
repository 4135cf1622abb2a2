/** What a run prints. */
import type { Failure } from './case.ts'
import type { Coverage } from './coverage.ts'

let stream: NodeJS.WriteStream = process.stdout

/** Standard output is for a report in JSON: what is printed for people goes to standard error. */
export function keepOutputForJson(): void {
  stream = process.stderr
}

export function print(text = ''): void {
  stream.write(`${text}\n`)
}

/** The command that plays exactly this case. */
export function commandFor(target: string, { seed, numbers }: Failure): string {
  const isWhole = numbers.every((number, index) => number === index)
  const events = isWhole ? `--events ${numbers.length}` : `--only ${numbers.join(',')}`
  return `npm run fuzz -- --target ${target} --seed ${seed} ${events}`
}

export function printFailure(target: string, failure: Failure): void {
  print(`FAILED: ${target}, seed ${failure.seed}, at event ${failure.numbers.at(-1) ?? 'none'}`)
  print(detailsOf(failure.error).replace(/^/gm, '  '))
  print(`repeat with: ${commandFor(target, failure)}`)
}

function detailsOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by ${detailsOf(error.cause)}` : own
}

export function printCoverage(coverage: Coverage): void {
  const entries = coverage.entries()
  if (entries.length > 0) print(entries.map(([name, count]) => `  ${name} ${count}`).join('\n'))
}

/** The line that every run ends with. */
export function printTotals(passed: number, failed: number): void {
  print(`${passed} passed, ${failed} failed`)
}
