/**
 * How far a long piece of work is: on a terminal one line that is drawn over itself, elsewhere a line now and then, for those
 * who read it later. With the rate, and how long the rest takes at that rate.
 */
import type { Clock } from './clock.ts'

const WIDTH = 30
const SECOND_MS = 1000
const MINUTE_SECONDS = 60
const HOUR_SECONDS = 3600
const THOUSAND = 1000
const SCALES = ['', 'k', 'M', 'G', 'T']
/** Between two lines where there is no terminal; what takes less has none. */
const LINE_MS = 10_000

export interface ProgressOptions {
  write(text: string): void
  readonly isTerminal: boolean
  readonly clock: Pick<Clock, 'monotonic'>
  /** What the work is called. */
  readonly label?: string
  /** What is counted. `B` for bytes; undefined: it says nothing to anybody, and no rate is shown. */
  readonly unit?: string | undefined
}

export class ProgressLine {
  readonly #options: ProgressOptions
  #label: string
  #drawnPercent = -1
  #drawnMs: number | undefined
  #drawnLength = 0
  #first: { readonly done: number; readonly atMs: number } | undefined

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#label = options.label ?? ''
  }

  /** What comes next. The rate begins anew where `anew` is set. */
  relabel(label: string, anew = false): void {
    this.#label = label
    this.#drawnPercent = -1
    if (anew) this.#first = undefined
  }

  /** Draws once a percent and once a second on a terminal; every ten seconds elsewhere. */
  update(done: number, total: number): void {
    const { clock, isTerminal, write } = this.#options
    const now = clock.monotonic()
    this.#first ??= { done, atMs: now }
    const percent = total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 100
    const sinceMs = now - (this.#drawnMs ?? this.#first.atMs)
    if (!isTerminal) {
      if (sinceMs < LINE_MS) return
      this.#drawnMs = now
      write(
        `${this.#label}${this.#label === '' ? '' : ': '}${percent} %${this.#speedText(done, total, now)}\n`,
      )
      return
    }
    const isDue = this.#drawnMs === undefined || sinceMs >= SECOND_MS
    if (percent === this.#drawnPercent && !isDue) return
    this.#drawnPercent = percent
    this.#drawnMs = now
    const filled = Math.round((percent / 100) * WIDTH)
    const bar = `[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${String(percent).padStart(3)} %`
    this.#draw(`${bar}${this.#speedText(done, total, now)}${this.#label === '' ? '' : `  ${this.#label}`}`)
  }

  #draw(line: string): void {
    this.#options.write(`\r${line.padEnd(this.#drawnLength)}`)
    this.#drawnLength = line.length
  }

  /** By what was done since the first time, so that what an earlier run had done makes nothing look quick. */
  #speedText(done: number, total: number, now: number): string {
    const { unit } = this.#options
    const { done: before, atMs } = this.#first!
    const seconds = (now - atMs) / SECOND_MS
    if (seconds < 1 || done <= before) return ''
    const rate = (done - before) / seconds
    const left = durationText(Math.max(0, total - done) / rate)
    return unit === undefined ? `  ${left} left` : `  ${scaled(rate)}${unit}/s, ${left} left`
  }

  /** Leaves an empty line for what comes next. */
  end(): void {
    if (this.#drawnLength > 0) this.#options.write(`\r${' '.repeat(this.#drawnLength)}\r`)
    this.#drawnLength = 0
    this.#drawnPercent = -1
  }
}

/** 12345 is "12.3 k". */
function scaled(value: number): string {
  let rest = value
  let scale = 0
  for (; rest >= THOUSAND && scale < SCALES.length - 1; scale++) rest /= THOUSAND
  return `${rest < 100 && scale > 0 ? rest.toFixed(1) : Math.round(rest)} ${SCALES[scale]}`
}

function durationText(seconds: number): string {
  if (seconds < MINUTE_SECONDS) return `${Math.ceil(seconds)} s`
  if (seconds < HOUR_SECONDS) return `${Math.ceil(seconds / MINUTE_SECONDS)} min`
  return `${(seconds / HOUR_SECONDS).toFixed(1)} h`
}
