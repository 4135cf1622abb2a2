/** One case from its start to its end, whatever way that comes: an error, a rejection nobody awaited, a hang. */
import type { Coverage } from './coverage.ts'
import { Script } from './script.ts'
import type { Player, Target } from './target.ts'

export interface Failure {
  readonly seed: number
  /** Numbers of the events that were played, the failing one last. */
  readonly numbers: readonly number[]
  readonly error: Error
}

const HANG_MS = 30_000
/** Time in which the process was stopped, or had no processor, counts as one of these: nothing can hang meanwhile. */
const TICK_MS = 1000

/** Plays a case; undefined when it passed. */
export async function playCase(
  target: Target,
  player: Player,
  seed: number,
  numbers: readonly number[],
  coverage: Coverage,
): Promise<Failure | undefined> {
  let stop: (error: Error) => void = () => {}
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = reject
  })
  const onUnhandled = (reason: unknown) =>
    stop(new Error('a rejection that nobody awaited', { cause: reason }))
  process.on('unhandledRejection', onUnhandled)
  const mostTicks = Math.ceil((target.hangMs ?? HANG_MS) / TICK_MS)
  let ticks = 0
  // Keeps the process alive: a case that waits for nothing would end it.
  const watchdog = setInterval(() => {
    ticks += 1
    if (ticks === mostTicks) stop(new Error('the event hangs'))
  }, TICK_MS)
  const script = new Script(seed, numbers, coverage, () => {
    ticks = 0
  })
  try {
    await Promise.race([player.play(script), stopped])
    // A rejection that nobody awaits is told of at the end of the turn.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), stopped])
    return undefined
  } catch (error) {
    return { seed, numbers: script.played, error: error instanceof Error ? error : new Error(String(error)) }
  } finally {
    clearInterval(watchdog)
    process.off('unhandledRejection', onUnhandled)
  }
}
