/** What the thread that runs functions and the one that watches it share. */

const WORDS = { busy: 0, stepMs: 1, memoryMebibytes: 2 } as const
const BYTES = 12
const MEBIBYTE = 1024 * 1024

export class Watch {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared = new SharedArrayBuffer(BYTES)) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  get isBusy(): boolean {
    return Atomics.load(this.#words, WORDS.busy) !== 0
  }

  /** What a step may take. */
  get stepMs(): number {
    return Atomics.load(this.#words, WORDS.stepMs)
  }

  /** What the process may take beyond what it began with. */
  get memoryBytes(): number {
    return Atomics.load(this.#words, WORDS.memoryMebibytes) * MEBIBYTE
  }

  begin(stepMs: number, memoryBytes: number): void {
    Atomics.store(this.#words, WORDS.stepMs, stepMs)
    Atomics.store(this.#words, WORDS.memoryMebibytes, Math.ceil(memoryBytes / MEBIBYTE))
    Atomics.store(this.#words, WORDS.busy, 1)
    Atomics.notify(this.#words, WORDS.busy)
  }

  end(): void {
    Atomics.store(this.#words, WORDS.busy, 0)
  }

  /** Blocks until there is something to watch. */
  wait(): void {
    Atomics.wait(this.#words, WORDS.busy, 0)
  }
}

/** What a process says before it ends itself, on a line of JSON: which call of its work it was, and what was over. */
export interface Note {
  call: number
  kind: 'timeout' | 'memory'
}

/** The pipe for that. Nothing is ever sent on it to the process, which sees it close when who made the process has gone. */
export const NOTES = 3

export interface WatcherData {
  progress: SharedArrayBuffer
  watch: SharedArrayBuffer
}
