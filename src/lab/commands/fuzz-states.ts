/** `davenport lab fuzz --depth 2`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import type { LabConsole, LabStatus } from '../console.ts'
import { Coverage } from '../coverage.ts'
import { stateReplay, writeReplay } from '../crash/replay-file.ts'
import { CrashSubject, type Settings } from '../crash/subject.ts'
import { Wrong } from '../crash/verdict.ts'
import { LabError } from '../lab-error.ts'
import { derivedSeed } from '../random.ts'
import { explore, type StateFailure } from '../syscalls/exploration.ts'
import type { Model } from '../syscalls/models.ts'
import { pictureSvg, pictureText } from '../syscalls/picture.ts'
import { type Recording, record } from '../syscalls/recording.ts'
import { stateCase } from '../syscalls/state-replay.ts'
import { TraceError } from '../syscalls/strace.ts'

export interface StateOptions {
  readonly store: string
  readonly settings: Settings
  readonly model: Model
  readonly seed: number
  readonly states: number
  /** In each recording. */
  readonly commits: number
  readonly seconds: number
  readonly out: string
}

export async function fuzzStates(options: StateOptions, console: LabConsole): Promise<LabStatus> {
  const { seed, model, out, states } = options
  const subject = await CrashSubject.of(options.store, options.settings)
  const settings = Object.entries(options.settings).map(([name, value]) => ` ${name}=${value}`)
  console.out(`${subject.name}${settings.join('')}, power cuts under ${model}, seed ${seed}\n`)
  const coverage = new Coverage()
  const endMs = systemClock.monotonic() + options.seconds * 1000
  const goesOn = () => coverage.of('states') < states && systemClock.monotonic() < endMs
  let found: { failure: StateFailure; recording: Recording } | undefined
  for (let index = 0; found === undefined && (index === 0 || goesOn()); index++) {
    const place = await mkdtemp(join(tmpdir(), 'davenport-lab-'))
    try {
      const recording = await recorded(
        subject,
        index === 0 ? seed : derivedSeed(seed, index),
        options.commits,
        place,
      )
      coverage.count('recordings')
      const limits = { seed: recording.seed, states: states - coverage.of('states'), endMs }
      const failure = await explore(subject, recording, model, limits, coverage)
      if (failure !== undefined) found = { failure, recording }
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      console.out(`FOUND without any crash: ${error.message}\n`)
      return 1
    } finally {
      await rm(place, { recursive: true, force: true })
    }
  }
  for (const [name, count] of coverage.entries()) console.out(`  ${name}: ${count}\n`)
  if (found === undefined) {
    console.out('nothing was found\n')
    return 0
  }
  await tell(subject, found, model, out, console)
  return 1
}

/** Rejects with LabError where the trace shows what this model does not have. */
async function recorded(
  subject: CrashSubject,
  seed: number,
  commits: number,
  place: string,
): Promise<Recording> {
  try {
    return await record(subject, seed, commits, place)
  } catch (error) {
    if (error instanceof TraceError) throw new LabError(`refused: ${error.message}`)
    throw error
  }
}

async function tell(
  subject: CrashSubject,
  { failure, recording }: { failure: StateFailure; recording: Recording },
  model: Model,
  out: string,
  console: LabConsole,
): Promise<void> {
  const { wrong, place, picture } = failure
  const replay = stateReplay(subject, stateCase(recording, model, failure), wrong.message)
  const name = `${subject.introduction.name}-${model}-${recording.seed}`
  const path = await writeReplay(out, name, replay)
  const svg = path.replace(/\.json$/, '.svg')
  await writeFile(svg, pictureSvg(picture, wrong.message))
  const when = { sync: 'before a sync had ended', acknowledgement: 'after an answer', end: 'at the end' }[
    place.kind
  ]
  console.out(`FOUND ${wrong.message}\n`)
  console.out(`  the power was cut ${when}, session ${place.session + 1}, line ${place.line} of its trace;\n`)
  console.out('  of what no sync had covered (● kept, ○ lost, ◐ torn, ◌ its length alone):\n')
  console.out(`${pictureText(picture)}\n  ${svg}\n  davenport lab replay ${path}\n`)
}
