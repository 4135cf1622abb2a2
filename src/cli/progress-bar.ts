import type { Clock } from '../base/clock.ts'

/** One line on a terminal that is drawn over itself: once a percent, or once a second where it tells of its speed. */
const WIDTH = 30
const SECOND_MS = 1000
const MINUTE_SECONDS = 60
const HOUR_SECONDS = 3600

export interface BarSpeed {
  clock: Pick<Clock, 'monotonic'>
  /** What is counted, for a rate. */
  unit: string
}

export class ProgressBar {
  readonly #write: (text: string) => void
  readonly #speed: BarSpeed | undefined
  #drawnPercent = -1
  #drawnMs = Number.NEGATIVE_INFINITY
  #drawnLength = 0
  #first: { readonly done: number; readonly atMs: number } | undefined

  constructor(write: (text: string) => void, speed?: BarSpeed) {
    this.#write = write
    this.#speed = speed
  }

  update(done: number, total: number): void {
    const percent = total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 100
    const now = this.#speed?.clock.monotonic() ?? 0
    this.#first ??= { done, atMs: now }
    const isDue = this.#speed !== undefined && now - this.#drawnMs >= SECOND_MS
    if (percent === this.#drawnPercent && !isDue) return
    this.#drawnPercent = percent
    this.#drawnMs = now
    const filled = Math.round((percent / 100) * WIDTH)
    const bar = `[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${String(percent).padStart(3)} %`
    this.#draw(`${bar}${this.#speedText(done, total, now)}`)
  }

  #draw(line: string): void {
    this.#write(`\r${line.padEnd(this.#drawnLength)}`)
    this.#drawnLength = line.length
  }

  /** By what was done since the first time, so that what an earlier run had done makes nothing look quick. */
  #speedText(done: number, total: number, now: number): string {
    const { done: before, atMs } = this.#first!
    const seconds = (now - atMs) / SECOND_MS
    if (this.#speed === undefined || seconds < 1 || done <= before) return ''
    const rate = (done - before) / seconds
    const left = Math.max(0, total - done) / rate
    return `  ${Math.round(rate)} ${this.#speed.unit}/s, ${durationText(left)} left`
  }

  /** Leaves an empty line for what comes next. */
  clear(): void {
    if (this.#drawnPercent >= 0) this.#write(`\r${' '.repeat(this.#drawnLength)}\r`)
  }
}

function durationText(seconds: number): string {
  if (seconds < MINUTE_SECONDS) return `${Math.ceil(seconds)} s`
  if (seconds < HOUR_SECONDS) return `${Math.ceil(seconds / MINUTE_SECONDS)} min`
  return `${(seconds / HOUR_SECONDS).toFixed(1)} h`
}
