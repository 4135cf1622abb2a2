/** `davenport lab replay`. */
import type { LabConsole, LabStatus } from '../console.ts'
import { Coverage } from '../coverage.ts'
import { killsOf } from '../crash/kill-search.ts'
import { type LivesCase, type Play, TRIES } from '../crash/lives-search.ts'
import { readReplay } from '../crash/replay-file.ts'
import { CrashSubject } from '../crash/subject.ts'
import { diskLivesOf } from '../simulated/disk-case.ts'
import { pictureText } from '../syscalls/picture.ts'
import { playState, type StateCase } from '../syscalls/state-replay.ts'

/** 1 when it goes wrong again. */
export async function replay(path: string, console: LabConsole): Promise<LabStatus> {
  const found = await readReplay(path)
  const { store, settings, name, wrong } = found
  const subject = await CrashSubject.of(store, settings)
  console.out(`${subject.name}${subject.name === name ? '' : ` (found with ${name})`}\n  then: ${wrong}\n`)
  if (found.depth === 2) return state(subject, found.case, console)
  if (found.depth === 1) {
    return again(killsOf(subject), found.case, 'a kill comes at no exact moment', console)
  }
  const play = diskLivesOf(store, settings, found.case.faults, Number.POSITIVE_INFINITY)
  return again(play, found.case, 'the store waits for more than its file system', console)
}

/** @param why it may not come again. */
async function again(play: Play, case_: LivesCase, why: string, console: LabConsole): Promise<LabStatus> {
  for (let tried = 1; tried <= TRIES; tried++) {
    const { wrong } = await play(case_, new Coverage(), () => false)
    if (wrong !== undefined) {
      console.out(`  now, try ${tried}: ${wrong.message}\n`)
      return 1
    }
  }
  console.out(`  not again in ${TRIES} tries: it was mended, or ${why}\n`)
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
