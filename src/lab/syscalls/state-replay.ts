/** A failing state as a file, and back: the traces go along, since no two recordings are the same. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeLanes } from '../crash/lanes.ts'
import type { CrashSubject } from '../crash/subject.ts'
import type { Wrong } from '../crash/verdict.ts'
import { LabError } from '../lab-error.ts'
import { buildState } from './built-state.ts'
import type { StateFailure } from './finds.ts'
import { type Fate, type Model, pendingOf } from './models.ts'
import { type PictureRow, pictureOf } from './picture.ts'
import type { Acknowledged, Recording } from './recording.ts'
import { StateRunner } from './state-runner.ts'
import { momentAt, type Place } from './walk.ts'

export interface StateCase {
  readonly model: Model
  readonly seed: number
  readonly folder: string
  readonly sessions: readonly { readonly gzip: string; readonly acknowledged: readonly Acknowledged[] }[]
  readonly place: Place
  readonly fates: readonly (readonly [sequence: number, fate: Fate])[]
}

export function stateCase(recording: Recording, model: Model, { place, fates }: StateFailure): StateCase {
  const { seed, folder } = recording
  const sessions = recording.sessions.slice(0, place.session + 1).map(({ trace, acknowledged }, session) => {
    const isCut = session === place.session && place.line > 0
    const played = isCut ? `${trace.split('\n', place.line).join('\n')}\n` : trace
    return { gzip: gzipSync(Buffer.from(played, 'latin1')).toString('base64'), acknowledged }
  })
  return { model, seed, folder, sessions, place, fates }
}

/** What the store does with the state now, and what of it reached the disk. */
export async function playState(
  subject: CrashSubject,
  { model, seed, folder, sessions, place, fates }: StateCase,
): Promise<{ wrong: Wrong | undefined; picture: PictureRow[] }> {
  const recording = {
    seed,
    folder,
    format: subject.format,
    sessions: sessions.map(({ gzip, acknowledged }) => ({
      trace: gunzipSync(Buffer.from(gzip, 'base64')).toString('latin1'),
      acknowledged,
    })),
  }
  const { capabilities, rebuiltFiles = [] } = subject.introduction
  const lanes = makeLanes(seed, capabilities)
  const choice = new Map(fates)
  const moment = momentAt(recording, model, lanes.length, rebuiltFiles, place)
  if (moment === undefined) throw new LabError('the trace does not come to the moment of the crash')
  const { tree } = moment.player
  const picture = pictureOf(pendingOf(tree), choice, moment.player)
  const runner = new StateRunner(subject, lanes)
  try {
    const state = buildState(tree, model, choice, rebuiltFiles)
    return { wrong: await runner.check(state, moment.bounds), picture }
  } finally {
    await runner.close()
  }
}
