/** `davenport lab fuzz`. */
import type { LabConsole, LabStatus } from '../console.ts'
import { Coverage } from '../coverage.ts'
import { type KillLimits, searchKills, TRIES } from '../crash/kill-search.ts'
import { killReplay, writeReplay } from '../crash/replay-file.ts'
import { CrashSubject, type Settings } from '../crash/subject.ts'

export interface FuzzOptions extends KillLimits {
  readonly store: string
  readonly settings: Settings
  /** Where what was found is written. */
  readonly out: string
}

export async function fuzz(options: FuzzOptions, console: LabConsole): Promise<LabStatus> {
  const { seed, out } = options
  const subject = await CrashSubject.of(options.store, options.settings)
  const settings = Object.entries(options.settings).map(([name, value]) => ` ${name}=${value}`)
  console.out(`${subject.name}${settings.join('')}, killed while it works, seed ${seed}\n`)
  const coverage = new Coverage()
  const failure = await searchKills(subject, options, coverage)
  for (const [name, count] of coverage.entries()) console.out(`  ${name}: ${count}\n`)
  if (failure === undefined) {
    console.out('nothing was found\n')
    return 0
  }
  const { wrong, again } = failure
  const replay = killReplay(subject, failure.case, wrong.message)
  const path = await writeReplay(out, `${subject.introduction.name}-kill-${failure.case.seed}`, replay)
  console.out(`FOUND ${wrong.message}\n`)
  const tried = again === undefined ? '' : `; again in ${again} of ${TRIES} tries`
  console.out(`  with lives ${failure.case.lives.join(', ')}${tried}\n`)
  console.out(`  davenport lab replay ${path}\n`)
  return 1
}
