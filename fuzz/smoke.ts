/**
 * Every target for some seconds, for CI. Fails when one fails, when one leaves a rare path untrodden, when a case
 * that once failed does so again, and when the canary passes.
 */
import { Coverage } from './coverage.ts'
import { knownSeeds } from './known-seeds.ts'
import { progressOf } from './progress.ts'
import { print, printCoverage, printFailure, printTotals } from './report.ts'
import { runTarget } from './run.ts'
import { derivedSeed, firstEvents } from './script.ts'
import type { Target } from './target.ts'
import { canary } from './targets/canary.ts'
import { BY_NAME, TARGETS } from './targets/index.ts'

/** A canary that lives this long has shown that the fuzzer finds nothing. */
const CANARY_SECONDS = 10
const MOST_ROUNDS = 12
/** Apart from the numbers of cases, so that a round plays other ones. */
const ROUND_SEEDS = 0x4000_0000

/** True when everything is as it should be. */
export async function smoke(seed: number): Promise<boolean> {
  let passed = 0
  let failed = 0
  const tell = (good: boolean) => {
    if (good) passed += 1
    else failed += 1
  }
  print(`seed ${seed}`)
  const targets = TARGETS.filter(({ smokeEvents }) => smokeEvents > 0)
  for (const [at, target] of targets.entries())
    tell(await smokeOne(target, seed, `${target.name}, ${at + 1} of ${targets.length} targets`))
  for (const known of knownSeeds()) {
    const target = BY_NAME.get(known.target)
    if (target === undefined) throw new Error(`known-seeds.json names no target: ${known.target}`)
    const only = typeof known.events === 'number' ? firstEvents(known.events) : known.events
    const limits = { seed: known.seed, events: only.length, seconds: Number.POSITIVE_INFINITY, only }
    const { failure } = await runTarget(target, limits)
    if (failure !== undefined) printFailure(target.name, failure)
    print(`${failure === undefined ? 'passed' : 'FAILED'}: known seed ${known.seed}: ${known.bug}`)
    tell(failure === undefined)
  }
  tell(await canaryFails(seed))
  printTotals(passed, failed)
  return failed === 0
}

async function smokeOne(target: Target, seed: number, label: string): Promise<boolean> {
  const coverage = new Coverage()
  let events = 0
  // Rare paths are rare: a run that missed one is given some more.
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const limits = {
      seed: roundSeed(seed, round),
      events: target.smokeEvents,
      seconds: Number.POSITIVE_INFINITY,
    }
    const progress = progressOf(label, limits)
    const outcome = await runTarget(target, { ...limits, onProgress: progress?.tell }).finally(() =>
      progress?.end(),
    )
    coverage.add(outcome.coverage.entries())
    events += outcome.events
    if (outcome.failure !== undefined) {
      printCoverage(coverage)
      printFailure(target.name, outcome.failure)
      return false
    }
    if (untroddenPaths(target, coverage).length === 0) break
  }
  printCoverage(coverage)
  const untrodden = untroddenPaths(target, coverage)
  print(
    untrodden.length === 0
      ? `passed: ${target.name}, ${events} events`
      : `FAILED: ${target.name} never came to ${untrodden.join(', ')}`,
  )
  return untrodden.length === 0
}

function roundSeed(seed: number, round: number): number {
  return round === 0 ? seed : derivedSeed(seed, ROUND_SEEDS + round)
}

/** The rare paths of a target that a run of it left out. */
export function untroddenPaths(target: Target, coverage: Coverage): string[] {
  return coverage.missing(target.rarePaths)
}

async function canaryFails(seed: number): Promise<boolean> {
  const { failure } = await runTarget(canary, { seed, events: canary.smokeEvents, seconds: CANARY_SECONDS })
  print(
    failure === undefined
      ? 'FAILED: the canary was not caught'
      : `passed: the canary was caught: ${failure.error.message}`,
  )
  return failure !== undefined
}
