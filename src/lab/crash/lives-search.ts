/** Cases of lives from one seed, until one goes wrong or the time is up; then the fewest lives that go wrong. */
import { systemClock } from '../../base/clock.ts'
import { Coverage } from '../coverage.ts'
import { derivedSeed } from '../random.ts'
import { shrink } from '../shrink.ts'
import type { Wrong } from './verdict.ts'

const LIVES = 12
const SHRINK_MS = 30_000
/** A case that went wrong once is tried so often. */
export const TRIES = 5

export interface LivesCase {
  readonly seed: number
  /** Numbers of the lives: each draws from a generator of its own, so that some can be left out. */
  readonly lives: readonly number[]
}

export interface LivesLimits {
  readonly seed: number
  readonly lives: number
  readonly seconds: number
  /** Whether what goes wrong is cut down to the fewest lives. */
  readonly shrinks: boolean
}

export interface Played {
  readonly wrong: Wrong | undefined
  /** Of the case's lives those without which it could not have gone wrong as it did. */
  readonly lives: readonly number[]
}

/** Plays a case; when `isOver`, no further life is begun. */
export type Play = (case_: LivesCase, coverage: Coverage, isOver: () => boolean) => Promise<Played>

export interface LivesFailure {
  readonly case: LivesCase
  readonly wrong: Wrong
  /** How often of TRIES it went wrong again; undefined where that was not tried. */
  readonly again: number | undefined
}

/** Undefined when nothing went wrong. `isEnough` ends it before its time. */
export async function searchLives(
  play: Play,
  { seed, lives, seconds, shrinks }: LivesLimits,
  coverage: Coverage,
  isEnough: () => boolean = () => false,
): Promise<LivesFailure | undefined> {
  const endMs = systemClock.monotonic() + seconds * 1000
  const isOver = () => systemClock.monotonic() >= endMs || isEnough()
  for (let index = 0, left = lives; left > 0 && !(index > 0 && isOver()); index++) {
    const numbers = Array.from({ length: Math.min(LIVES, left) }, (_, life) => life)
    const case_ = { seed: index === 0 ? seed : derivedSeed(seed, index), lives: numbers }
    coverage.count('cases')
    const { wrong, lives: played } = await play(case_, coverage, isOver)
    if (wrong !== undefined) {
      const found = { seed: case_.seed, lives: played }
      return shrinks ? shortest(play, found, wrong) : { case: found, wrong, again: undefined }
    }
    left -= numbers.length
  }
  return undefined
}

async function shortest(play: Play, case_: LivesCase, wrong: Wrong): Promise<LivesFailure> {
  const endMs = systemClock.monotonic() + SHRINK_MS
  let last = wrong
  const { seed } = case_
  const fails = async (lives: readonly number[]) => {
    const again = (await play({ seed, lives }, new Coverage(), () => false)).wrong
    if (again !== undefined) last = again
    return again !== undefined
  }
  const lives = await shrink(case_.lives, fails, () => systemClock.monotonic() < endMs)
  let again = 0
  for (let i = 0; i < TRIES; i++) if (await fails(lives)) again += 1
  return { case: { seed, lives }, wrong: last, again }
}
