/** `davenport lab fuzz` at the depths that play lives of a store: kills, and a simulated disk. */
import type { LabConsole, LabStatus } from '../console.ts'
import { Coverage } from '../coverage.ts'
import { killsOf } from '../crash/kill-search.ts'
import { type LivesFailure, type LivesLimits, searchLives, TRIES } from '../crash/lives-search.ts'
import { diskReplay, killReplay, type Replay, writeReplay } from '../crash/replay-file.ts'
import { CrashSubject, type Settings } from '../crash/subject.ts'
import { LabError } from '../lab-error.ts'
import { diskLivesOf } from '../simulated/disk-case.ts'
import type { FaultName } from '../simulated/faults.ts'

export interface FuzzOptions extends LivesLimits {
  readonly store: string
  readonly settings: Settings
  /** Where what was found is written. */
  readonly out: string
}

export interface DiskOptions extends FuzzOptions {
  readonly faults: readonly FaultName[]
  readonly states: number
}

export async function fuzz(options: FuzzOptions, console: LabConsole): Promise<LabStatus> {
  const subject = await begin(options, 'killed while it works', console)
  const coverage = new Coverage()
  const failure = await searchLives(killsOf(subject), options, coverage)
  tellCoverage(coverage, console)
  if (failure === undefined) return nothing(console)
  const replay = killReplay(subject, failure.case, failure.wrong.message)
  return tell(subject, failure, replay, 'kill', options.out, console)
}

/** Rejects with LabError for a store that takes no file system. */
export async function fuzzDisk(options: DiskOptions, console: LabConsole): Promise<LabStatus> {
  const { store, settings, faults, states } = options
  const subject = await begin(options, 'on a simulated disk', console)
  if (!subject.introduction.capabilities.fileSystem || !subject.reopens) {
    throw new LabError(
      `${subject.introduction.name} takes no file system: depth 3 is for adapters in JavaScript with the capability fileSystem`,
    )
  }
  const coverage = new Coverage()
  const play = diskLivesOf(store, settings, faults, states)
  const failure = await searchLives(play, options, coverage, () => coverage.of('states') >= states)
  tellCoverage(coverage, console)
  if (failure === undefined) return nothing(console)
  const replay = diskReplay(subject, { ...failure.case, faults }, failure.wrong.message)
  return tell(subject, failure, replay, 'disk', options.out, console)
}

async function begin(
  { store, settings, seed }: FuzzOptions,
  how: string,
  console: LabConsole,
): Promise<CrashSubject> {
  const subject = await CrashSubject.of(store, settings)
  const words = Object.entries(settings).map(([name, value]) => ` ${name}=${value}`)
  console.out(`${subject.name}${words.join('')}, ${how}, seed ${seed}\n`)
  return subject
}

function tellCoverage(coverage: Coverage, console: LabConsole): void {
  for (const [name, count] of coverage.entries()) console.out(`  ${name}: ${count}\n`)
}

function nothing(console: LabConsole): LabStatus {
  console.out('nothing was found\n')
  return 0
}

async function tell(
  subject: CrashSubject,
  { case: { seed, lives }, wrong, again }: LivesFailure,
  replay: Replay,
  kind: string,
  out: string,
  console: LabConsole,
): Promise<LabStatus> {
  const path = await writeReplay(out, `${subject.introduction.name}-${kind}-${seed}`, replay)
  console.out(`FOUND ${wrong.message}\n`)
  const tried = again === undefined ? '' : `; again in ${again} of ${TRIES} tries`
  console.out(`  with lives ${lives.join(', ')}${tried}\n`)
  console.out(`  davenport lab replay ${path}\n`)
  return 1
}
