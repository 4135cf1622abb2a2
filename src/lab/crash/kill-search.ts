/** Cases of kills from one seed, until one goes wrong or the time is up; then the fewest lives that go wrong. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { Coverage } from '../coverage.ts'
import { derivedSeed } from '../random.ts'
import { shrink } from '../shrink.ts'
import { type KillCase, playKills } from './kills.ts'
import type { CrashSubject } from './subject.ts'
import { Wrong } from './verdict.ts'

const LIVES = 12
const SHRINK_MS = 30_000
/** Kills come at no exact moment: a case that went wrong once is tried so often. */
export const TRIES = 5

export interface KillLimits {
  readonly seed: number
  readonly lives: number
  readonly seconds: number
  /** Whether what goes wrong is cut down to the fewest lives. */
  readonly shrinks: boolean
}

export interface KillFailure {
  readonly case: KillCase
  readonly wrong: Wrong
  /** How often of TRIES it went wrong again; undefined where that was not tried. */
  readonly again: number | undefined
}

/** What went wrong with a case, if it did, in a folder that is removed. */
export async function playCase(
  subject: CrashSubject,
  case_: KillCase,
  coverage: Coverage,
  goesOn: () => boolean = () => true,
): Promise<Wrong | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-lab-'))
  try {
    await playKills(subject, case_, folder, coverage, goesOn)
    return undefined
  } catch (error) {
    if (error instanceof Wrong) return error
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Undefined when nothing went wrong. */
export async function searchKills(
  subject: CrashSubject,
  { seed, lives, seconds, shrinks }: KillLimits,
  coverage: Coverage,
): Promise<KillFailure | undefined> {
  const endMs = systemClock.monotonic() + seconds * 1000
  const isOver = () => systemClock.monotonic() >= endMs
  for (let index = 0, left = lives; left > 0 && !(index > 0 && isOver()); index++) {
    const numbers = Array.from({ length: Math.min(LIVES, left) }, (_, life) => life)
    const case_ = { seed: index === 0 ? seed : derivedSeed(seed, index), lives: numbers }
    coverage.count('cases')
    let played = 0
    const wrong = await playCase(subject, case_, coverage, () => {
      played += 1
      return !isOver()
    })
    if (wrong !== undefined) {
      // What the last one of these left is judged when the next one begins.
      const found = { seed: case_.seed, lives: numbers.slice(0, played + 1) }
      return shrinks ? shortest(subject, found, wrong) : { case: found, wrong, again: undefined }
    }
    left -= numbers.length
  }
  return undefined
}

async function shortest(subject: CrashSubject, case_: KillCase, wrong: Wrong): Promise<KillFailure> {
  const endMs = systemClock.monotonic() + SHRINK_MS
  let last = wrong
  const { seed } = case_
  const fails = async (lives: readonly number[]) => {
    const again = await playCase(subject, { seed, lives }, new Coverage())
    if (again !== undefined) last = again
    return again !== undefined
  }
  const lives = await shrink(case_.lives, fails, () => systemClock.monotonic() < endMs)
  let again = 0
  for (let i = 0; i < TRIES; i++) if (await fails(lives)) again += 1
  return { case: { seed, lives }, wrong: last, again }
}
