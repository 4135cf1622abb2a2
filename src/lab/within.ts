/** Bounded waits. */
import { systemClock } from '../base/clock.ts'
import { LabError } from './lab-error.ts'

/** What `work` resolves with. Rejects with LabError when it has not settled within `limitMs`. */
export async function within<T>(limitMs: number, what: string, work: T | Promise<T>): Promise<T> {
  let cancel = () => {}
  const late = new Promise<never>((_resolve, reject) => {
    cancel = systemClock.after(limitMs, () =>
      reject(new LabError(`${what} did not settle within ${limitMs / 1000} s`)),
    )
  })
  // The clock's timers keep no process alive: a store that waits for nothing would end it before its time was up.
  const stay = setInterval(() => {}, limitMs)
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
    clearInterval(stay)
  }
}
