import type { Clock } from '../base/clock.ts'

/** Resolves after `delayMs`. Rejects with the signal's reason. */
export function pause(clock: Pick<Clock, 'after'>, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const end = (): void => {
      signal.removeEventListener('abort', leave)
      resolve()
    }
    const leave = (): void => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.after(delayMs, end, true)
    signal.addEventListener('abort', leave, { once: true })
  })
}
