/**
 * The lines of a thread's log on their way to the core, which writes them. A line a request, each in a message of its own, would
 * wake the core for every request; so lines wait for others a moment. Those that tell of trouble do not, and take those that
 * wait along: what a thread said before it failed is the most wanted of all.
 */
import { systemClock } from '../base/clock.ts'
import { countedLog, type EventLevel, eventLine, type Log, type LogLevel, leveledLog } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'

const URGENT: ReadonlySet<EventLevel> = new Set(['warning', 'error'])
const WAIT_MS = 20
const MOST_WAITING_LENGTH = 64 * 1024

export class LogBatch {
  readonly #send: (lines: string) => void
  #waiting = ''
  #timer: NodeJS.Timeout | undefined

  constructor(send: (lines: string) => void) {
    this.#send = send
  }

  /** Takes a line, its line break included. */
  add(line: string, isUrgent: boolean): void {
    this.#waiting += line
    if (isUrgent || this.#waiting.length >= MOST_WAITING_LENGTH) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref()
  }

  /** What waits goes out. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = this.#waiting
    if (lines === '') return
    this.#waiting = ''
    this.#send(lines)
  }
}

/** The log of a thread, whose events its own metrics count. */
export interface ThreadLog {
  readonly log: Log
  setLevel(level: LogLevel): void
  /** To be called before the thread ends. */
  flush(): void
}

export function threadLog(level: LogLevel, metrics: Metrics, send: (lines: string) => void): ThreadLog {
  const batch = new LogBatch(send)
  const leveled = leveledLog(
    level,
    (level, message, fields) =>
      batch.add(eventLine(systemClock.now(), level, message, fields), URGENT.has(level)),
    (lines) => batch.add(lines, false),
  )
  return {
    log: countedLog(leveled, (level) => metrics.count(`couch_log.level.${level}`)),
    setLevel: (level) => leveled.setLevel(level),
    flush: () => batch.flush(),
  }
}
