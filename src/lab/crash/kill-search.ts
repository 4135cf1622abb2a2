/** Cases of kills, each in a folder that is removed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { playKills } from './kills.ts'
import type { Play } from './lives-search.ts'
import type { CrashSubject } from './subject.ts'
import { Wrong } from './verdict.ts'

export function killsOf(subject: CrashSubject): Play {
  return async (case_, coverage, isOver) => {
    const folder = await mkdtemp(join(tmpdir(), 'davenport-lab-'))
    let played = 0
    try {
      await playKills(subject, case_, folder, coverage, () => {
        played += 1
        return !isOver()
      })
      return { wrong: undefined, lives: case_.lives }
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      // What the last one of these left is judged when the next one begins.
      return { wrong: error, lives: case_.lives.slice(0, played + 1) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}
