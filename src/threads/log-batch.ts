/**
 * The lines of a front's log on their way to the core, which writes them. A line a request, each in a message of its own, would
 * wake the core for every request; so lines wait for others a moment. Those that tell of trouble do not, and take those that
 * wait along: what a thread said before it failed is the most wanted of all.
 */
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
