/** Does a workload's actions and takes the time of each. */
import { systemClock } from '../../base/clock.ts'
import { type ActionSource, documentsIn, userBytesIn } from './action.ts'
import type { MeasuredStore } from './measured-store.ts'
import type { Recorder } from './recorder.ts'

/** Actions that are made at once: as many as take between the two. */
const LEAST_BLOCK_MS = 10
const MOST_BLOCK_MS = 50
const MOST_BLOCK = 4096

export interface Limits {
  readonly ms: number
  readonly actions: number
  readonly durable: boolean
}

export interface Driven {
  /** Within the store, with the turns of the event loop that are its own. */
  activeMs: number
  cpuUs: number
  userBytes: number
  actions: number
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * One action after another until the time or the actions are over. They are made in blocks, while the clock stands still;
 * a turn of the event loop behind each block belongs to the store, which may have left work to it.
 */
export async function drive(
  store: MeasuredStore,
  source: ActionSource,
  { ms, actions, durable }: Limits,
  recorder: Recorder | undefined,
  progress: (done: number) => void,
): Promise<Driven> {
  const most = Math.min(actions, source.most ?? Number.POSITIVE_INFINITY)
  const driven: Driven = { activeMs: 0, cpuUs: 0, userBytes: 0, actions: 0 }
  for (let size = 1; driven.actions < most && driven.activeMs < ms; ) {
    const block = Array.from({ length: Math.min(size, most - driven.actions) }, () => source.next())
    const cpu = store.cpuUs
    const start = systemClock.monotonic()
    let last = start
    for (const action of block) {
      const done = store.perform(action, durable)
      const documents = typeof done === 'number' ? done : await done
      const now = systemClock.monotonic()
      const units = source.unit === 'documents' ? documents : 1
      recorder?.add(action.kind, now - last, driven.activeMs + (now - start), units)
      last = now
    }
    await turn()
    const took = systemClock.monotonic() - start
    driven.cpuUs += store.cpuUs - cpu
    driven.activeMs += took
    driven.actions += block.length
    for (const action of block) driven.userBytes += userBytesIn(action)
    if (took < LEAST_BLOCK_MS) size = Math.min(size * 2, MOST_BLOCK)
    else if (took > MOST_BLOCK_MS) size = Math.max(size >> 1, 1)
    progress(Math.max(driven.activeMs / ms, driven.actions / most))
  }
  return driven
}

/** So many side by side, each beginning its next action when its last has ended. Here the making is within the time. */
export async function driveTogether(
  store: MeasuredStore,
  source: ActionSource,
  { ms, actions, durable }: Limits,
  lanes: number,
  recorder: Recorder | undefined,
  progress: (done: number) => void,
): Promise<Driven> {
  const driven: Driven = { activeMs: 0, cpuUs: 0, userBytes: 0, actions: 0 }
  const cpu = store.cpuUs
  const start = systemClock.monotonic()
  const lane = async (): Promise<void> => {
    for (let now = start; driven.actions < actions && now - start < ms; ) {
      driven.actions += 1
      const action = source.next()
      driven.userBytes += userBytesIn(action)
      const sent = systemClock.monotonic()
      await store.perform(action, durable)
      now = systemClock.monotonic()
      const units = source.unit === 'documents' ? documentsIn(action) : 1
      recorder?.add(action.kind, now - sent, now - start, units)
      progress((now - start) / ms)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  driven.activeMs = systemClock.monotonic() - start
  driven.cpuUs = store.cpuUs - cpu
  return driven
}
