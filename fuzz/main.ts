import { runLab } from '../src/lab/command-line.ts'
import { processConsole } from '../src/lab/console.ts'
import { PeerMissing } from '../src/lab/peers/adapter.ts'
import { ToolMissing } from '../src/lab/syscalls/find-strace.ts'
import { Coverage } from './coverage.ts'
import { type JobReport, runJobs } from './jobs.ts'
import { type RunOptions, readOptions, USAGE, UsageError } from './options.ts'
import { progressOf } from './progress.ts'
import { commandFor, keepOutputForJson, print, printCoverage, printFailure, printTotals } from './report.ts'
import { runTarget, shortestFailure } from './run.ts'
import { smoke } from './smoke.ts'
import { duePaths, type Target } from './target.ts'
import { BY_NAME } from './targets/index.ts'

const SHRINK_SECONDS = 60

async function runAlone(target: Target, options: RunOptions): Promise<JobReport> {
  print(`${target.name}, seed ${options.seed}`)
  const progress = progressOf(target.name, options)
  const { passed, events, coverage, failure } = await runTarget(target, {
    ...options,
    onProgress: progress?.tell,
  }).finally(() => progress?.end())
  const report = {
    passed,
    failed: failure === undefined ? 0 : 1,
    events,
    coverage: coverage.entries(),
    repeat: failure && commandFor(target.name, failure),
  }
  if (failure === undefined) return report
  printFailure(target.name, failure)
  if (target.repeats === false) print('(time decides here too: it may take some tries)')
  else if (options.shrinks && failure.numbers.length > 1) {
    const shortest = await shortestFailure(target, failure, SHRINK_SECONDS)
    print(
      `shrunk from ${failure.numbers.length} to ${shortest.numbers.length} events: ${shortest.error.message}`,
    )
    print(`repeat with: ${commandFor(target.name, shortest)}`)
  }
  return report
}

async function runAll(options: RunOptions): Promise<boolean> {
  const target = BY_NAME.get(options.target ?? '')
  if (target === undefined) throw new UsageError(`there is no target '${options.target}'; see 'list'`)
  const reports = options.jobs > 1 ? await runJobs(options) : [await runAlone(target, options)]
  if (process.send !== undefined) {
    for (const report of reports) process.send(report)
    return reports.every(({ failed }) => failed === 0)
  }
  const coverage = new Coverage()
  for (const report of reports) coverage.add(report.coverage)
  const sum = (of: (report: JobReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  print(`${sum(({ events }) => events)} events; what they came across:`)
  printCoverage(coverage)
  const untrodden = coverage.missing(duePaths(target, options))
  const isShort = options.only !== undefined || sum(({ events }) => events) < target.smokeEvents
  if (untrodden.length > 0) {
    print(
      `${isShort ? '' : 'FAILED: '}never came to: ${untrodden.join(', ')}${isShort ? ' (a short run)' : ''}`,
    )
  }
  const failedCases = sum((report) => report.failed)
  const failed = failedCases + (untrodden.length > 0 && !isShort ? 1 : 0)
  const passed = sum((report) => report.passed)
  // Once more: of a long run often the last lines alone are kept.
  for (const { repeat } of reports) if (repeat !== undefined) print(`repeat with: ${repeat}`)
  if (failed > failedCases) {
    const cases = failedCases === 0 ? 'no case failed: the one failure is' : 'beside that there is'
    print(`${cases} that seed ${options.seed} never came to ${untrodden.join(', ')}`)
  }
  printTotals(passed, failed)
  if (options.json) {
    const report = {
      target: target.name,
      seed: options.seed,
      events: sum(({ events }) => events),
      passed,
      failed,
      untrodden,
      coverage: Object.fromEntries(coverage.entries()),
      repeat: reports.flatMap(({ repeat }) => repeat ?? []),
    }
    process.stdout.write(`${JSON.stringify(report)}\n`)
  }
  return failed === 0
}

function list(): void {
  for (const { name, summary } of BY_NAME.values()) print(`${name.padEnd(14)}${summary}`)
}

/** `--store` without a target: a store of somebody's own, as `davenport lab fuzz` takes it. */
function isForLab(args: readonly string[]): boolean {
  const has = (name: string): boolean => args.some((word) => word === name || word.startsWith(`${name}=`))
  return has('--store') && !has('--target')
}

async function main(): Promise<number> {
  const args = process.argv.slice(2)
  if (!isForLab(args)) return (await fuzz(args)) ? 0 : 1
  return runLab(['fuzz', ...args], processConsole)
}

async function fuzz(args: readonly string[]): Promise<boolean> {
  const options = readOptions(args)
  if (options.json && options.command === 'run') keepOutputForJson()
  if (options.command === 'help') print(USAGE)
  else if (options.command === 'list') list()
  else if (options.command === 'smoke') return smoke(options.seed)
  else if (options.command === 'mutations') return (await import('./mutations.ts')).runMutations(options)
  else return runAll(options)
  return true
}

try {
  process.exitCode = await main()
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}`)
  else if (error instanceof PeerMissing || error instanceof ToolMissing)
    process.stderr.write(`${error.message}\n`)
  else throw error
  process.exitCode = 2
}
if (process.connected) process.disconnect()
