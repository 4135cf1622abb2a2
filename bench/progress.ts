/** Where a long run stands, on standard error: a bar on a terminal, elsewhere a line for each step. */
const BAR_CELLS = 30

export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #steps: number
  #done = 0
  #label = ''

  constructor(steps: number, stream: NodeJS.WriteStream = process.stderr) {
    this.#steps = steps
    this.#stream = stream
  }

  begin(label: string): void {
    this.#label = label
    if (this.#stream.isTTY) this.within(0)
    else this.#stream.write(`${this.#done + 1}/${this.#steps} ${label}\n`)
  }

  /** Within the step, 0 to 1. */
  within(share: number): void {
    if (!this.#stream.isTTY) return
    const all = Math.min((this.#done + share) / this.#steps, 1)
    const full = Math.round(all * BAR_CELLS)
    const bar = '#'.repeat(full) + '.'.repeat(BAR_CELLS - full)
    this.#stream.write(`\r\x1b[K[${bar}] ${String(Math.floor(all * 100)).padStart(3)} %  ${this.#label}`)
  }

  end(): void {
    this.#done += 1
  }

  /** Takes the bar away. */
  close(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K')
  }
}
