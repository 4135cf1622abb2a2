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
import { explore } from '../syscalls/exploration.ts'
import { Finds, type StateFailure } from '../syscalls/finds.ts'
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
  /** Ends with the first that is found. */
  readonly isFirstEnough: boolean
  readonly out: string
}

export async function fuzzStates(options: StateOptions, console: LabConsole): Promise<LabStatus> {
  const { seed, model, out, states } = options
  const subject = await CrashSubject.of(options.store, options.settings)
  const settings = Object.entries(options.settings).map(([name, value]) => ` ${name}=${value}`)
  console.out(`${subject.name}${settings.join('')}, power cuts under ${model}, seed ${seed}\n`)
  const coverage = new Coverage()
  const startMs = systemClock.monotonic()
  const endMs = startMs + options.seconds * 1000
  const seconds = () => ((systemClock.monotonic() - startMs) / 1000).toFixed(1)
  const finds = new Finds(options.isFirstEnough, (failure, recording) => {
    const when = `${coverage.of('states')} states, ${seconds()} s`
    return tell(subject, { failure, recording, when }, model, out, console)
  })
  const goesOn = () => coverage.of('states') < states && systemClock.monotonic() < endMs && !finds.isEnough
  for (let index = 0; index === 0 || goesOn(); index++) {
    const place = await mkdtemp(join(tmpdir(), 'davenport-lab-'))
    try {
      const drawn = index === 0 ? seed : derivedSeed(seed, index)
      const recording = await recorded(subject, drawn, options.commits, place)
      coverage.count('recordings')
      const limits = { seed: recording.seed, states: states - coverage.of('states'), endMs }
      await explore({ subject, recording, model, limits, coverage, finds })
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      console.out(`FOUND without any crash: ${error.message}\n`)
      return 1
    } finally {
      await rm(place, { recursive: true, force: true })
    }
  }
  for (const [name, count] of coverage.entries()) console.out(`  ${name}: ${count}\n`)
  console.out(`  seconds: ${seconds()}\n`)
  for (const [signature, count] of finds.entries()) console.out(`  went wrong: ${count} × ${signature}\n`)
  if (finds.size === 0) console.out('nothing was found\n')
  return finds.size === 0 ? 0 : 1
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
  { failure, recording, when: tried }: { failure: StateFailure; recording: Recording; when: string },
  model: Model,
  out: string,
  console: LabConsole,
): Promise<void> {
  const { wrong, place, picture } = failure
  const replay = stateReplay(subject, stateCase(recording, model, failure), wrong.message)
  const { session, kind, line } = place
  const name = `${subject.introduction.name}-${model}-${recording.seed}-${session}-${kind}-${line}`
  const path = await writeReplay(out, name, replay)
  const svg = path.replace(/\.json$/, '.svg')
  await writeFile(svg, pictureSvg(picture, wrong.message))
  const when = { sync: 'before a sync had ended', acknowledgement: 'after an answer', end: 'at the end' }[
    kind
  ]
  console.out(`FOUND ${wrong.message} (${tried})\n`)
  console.out(`  the power was cut ${when}, session ${session + 1}, line ${line} of its trace;\n`)
  console.out('  of what no sync had covered (● kept, ○ lost, ◐ torn, ◌ its length alone):\n')
  console.out(`${pictureText(picture)}\n  ${svg}\n  davenport lab replay ${path}\n`)
}
