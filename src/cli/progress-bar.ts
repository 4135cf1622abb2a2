/** One line on a terminal that is drawn over itself, once a percent. */
const WIDTH = 30

export class ProgressBar {
  readonly #write: (text: string) => void
  #drawnPercent = -1

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  update(done: number, total: number): void {
    const percent = total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 100
    if (percent === this.#drawnPercent) return
    this.#drawnPercent = percent
    const filled = Math.round((percent / 100) * WIDTH)
    this.#write(`\r[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${String(percent).padStart(3)} %`)
  }

  /** Leaves an empty line for what comes next. */
  clear(): void {
    if (this.#drawnPercent >= 0) this.#write(`\r${' '.repeat(WIDTH + 8)}\r`)
  }
}
