/** Goes over the moments of a recording, with what had been acknowledged at each. */
import type { Bounds } from '../crash/verdict.ts'
import { CallPlayer, type Moment } from './call-player.ts'
import type { Model } from './models.ts'
import { PipeAnswers } from './pipe-answers.ts'
import type { Acknowledged, Recording } from './recording.ts'

export interface Place {
  /** Index of the session. */
  readonly session: number
  readonly kind: Moment['kind']
  /** Line of its trace; 0 for its end. */
  readonly line: number
}

export interface WalkedMoment {
  readonly place: Place
  /** Of each lane. At most one commit of a lane is under way. */
  readonly bounds: readonly Bounds[]
  readonly player: CallPlayer
}

/**
 * The moments from the first at which the store had said that it is open. What the player holds goes on with the walk.
 * @param lanes how many there are.
 */
export function* walk(
  { folder, sessions, format }: Recording,
  model: Model,
  lanes: number,
  rebuiltFiles: readonly string[],
): Generator<WalkedMoment, void, void> {
  const durable = Array.from({ length: lanes }, () => 0)
  const acknowledged = [...durable]
  let waiting = new Map<number, Acknowledged>()
  let isOpen = false
  const onAnswer = (id: number): boolean => {
    const answered = waiting.get(id)
    if (answered === undefined) return false
    isOpen = true
    if (answered.commit === undefined) return true
    const { lane, number, durable: isDurable } = answered.commit
    acknowledged[lane] = number
    if (isDurable) durable[lane] = number
    return isDurable
  }
  const journalsNames = model !== 'posix-strict'
  const observer = new PipeAnswers(onAnswer, format)
  const player = new CallPlayer({ folder, rebuiltFiles, journalsNames, observer })
  for (const [session, { trace, acknowledged: answers }] of sessions.entries()) {
    waiting = new Map(answers.map((answer) => [answer.id, answer]))
    for (const { kind, line } of player.play(trace)) {
      if (!isOpen) continue
      const bounds = durable.map((low, lane) => ({ low, high: acknowledged[lane]! + 1 }))
      yield { place: { session, kind, line }, bounds, player }
    }
  }
}

/** The moment at `place`; undefined where the recording does not come to it. */
export function momentAt(
  recording: Recording,
  model: Model,
  lanes: number,
  rebuiltFiles: readonly string[],
  place: Place,
): WalkedMoment | undefined {
  for (const moment of walk(recording, model, lanes, rebuiltFiles)) {
    const { session, kind, line } = moment.place
    if (session === place.session && kind === place.kind && line === place.line) return moment
  }
  return undefined
}
