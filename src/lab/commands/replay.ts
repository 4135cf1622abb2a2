/** `davenport lab replay`. */
import type { LabConsole, LabStatus } from '../console.ts'
import { Coverage } from '../coverage.ts'
import { playCase, TRIES } from '../crash/kill-search.ts'
import { type KillReplay, readReplay } from '../crash/replay-file.ts'
import { CrashSubject } from '../crash/subject.ts'
import { pictureText } from '../syscalls/picture.ts'
import { playState, type StateCase } from '../syscalls/state-replay.ts'

/** 1 when it goes wrong again. */
export async function replay(path: string, console: LabConsole): Promise<LabStatus> {
  const found = await readReplay(path)
  const { store, settings, name, wrong } = found
  const subject = await CrashSubject.of(store, settings)
  console.out(`${subject.name}${subject.name === name ? '' : ` (found with ${name})`}\n  then: ${wrong}\n`)
  return found.depth === 1 ? kills(subject, found.case, console) : state(subject, found.case, console)
}

async function kills(
  subject: CrashSubject,
  case_: KillReplay['case'],
  console: LabConsole,
): Promise<LabStatus> {
  for (let tried = 1; tried <= TRIES; tried++) {
    const again = await playCase(subject, case_, new Coverage())
    if (again !== undefined) {
      console.out(`  now, try ${tried}: ${again.message}\n`)
      return 1
    }
  }
  console.out(`  not again in ${TRIES} tries: a kill comes at no exact moment\n`)
  return 0
}

async function state(subject: CrashSubject, case_: StateCase, console: LabConsole): Promise<LabStatus> {
  const { wrong, picture } = await playState(subject, case_)
  const { session, line } = case_.place
  console.out(`  power cut under ${case_.model}, session ${session + 1}, line ${line} of its trace:\n`)
  console.out(`${pictureText(picture)}\n`)
  console.out(wrong === undefined ? '  now: nothing is wrong\n' : `  now: ${wrong.message}\n`)
  return wrong === undefined ? 0 : 1
}
