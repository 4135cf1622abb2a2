/** Where a long run stands, on standard error: a bar on a terminal, elsewhere a line for each step. */
import { systemClock } from '../../base/clock.ts'
import { ProgressLine } from '../../base/progress-line.ts'

export interface ProgressStream {
  readonly isTTY: boolean
  write(text: string): unknown
}

export class Progress {
  readonly #stream: ProgressStream
  readonly #steps: number
  readonly #line: ProgressLine
  #done = 0

  constructor(steps: number, stream: ProgressStream = process.stderr) {
    this.#steps = steps
    this.#stream = stream
    const write = (text: string): void => void stream.write(text)
    this.#line = new ProgressLine({ write, isTerminal: stream.isTTY, clock: systemClock })
  }

  begin(label: string): void {
    this.#line.relabel(label)
    if (this.#stream.isTTY) this.within(0)
    else this.#stream.write(`${this.#done + 1}/${this.#steps} ${label}\n`)
  }

  /** Within the step, 0 to 1. */
  within(share: number): void {
    this.#line.update(Math.min(this.#done + share, this.#steps), this.#steps)
  }

  end(): void {
    this.#done += 1
  }

  /** Takes the bar away. */
  close(): void {
    this.#line.end()
  }
}
