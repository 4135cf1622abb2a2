/** The requests of a thread that took the longest, of the last minutes. A request that is none of them costs a comparison. */

/** Nothing of what the client sent but the name of a database: who may read figures may not read ids. */
export interface SlowRequest {
  readonly method: string
  /** As the table of rights has it. */
  readonly route: string
  readonly database: string | null
  readonly status: number
  readonly durationMs: number
  /** Milliseconds since the Unix epoch, of its end. */
  readonly endedMs: number
}

/** How many are told. */
export const MOST_SLOW_REQUESTS = 10
/** Those that ended before are of no interest any more. */
const REMEMBERED_MS = 10 * 60 * 1000
/** What is quicker is never slow. */
const LEAST_MS = 1

export class SlowRequests {
  /** The slowest first. */
  #requests: SlowRequest[] = []
  #leastMs = LEAST_MS
  /** When the oldest one is to be forgotten. */
  #nextMs = Number.POSITIVE_INFINITY

  /** Whether a request that took so long is one to be noted. */
  admits(durationMs: number, nowMs: number): boolean {
    if (nowMs >= this.#nextMs) this.#forget(nowMs)
    return durationMs > this.#leastMs
  }

  note(request: SlowRequest): void {
    const kept = [...this.#requests, request].sort((a, b) => b.durationMs - a.durationMs)
    this.#keep(kept.slice(0, MOST_SLOW_REQUESTS))
  }

  list(nowMs: number): readonly SlowRequest[] {
    if (nowMs >= this.#nextMs) this.#forget(nowMs)
    return this.#requests
  }

  #forget(nowMs: number): void {
    this.#keep(this.#requests.filter(({ endedMs }) => nowMs - endedMs < REMEMBERED_MS))
  }

  #keep(requests: SlowRequest[]): void {
    this.#requests = requests
    this.#leastMs = requests.length < MOST_SLOW_REQUESTS ? LEAST_MS : requests.at(-1)!.durationMs
    this.#nextMs = Math.min(...requests.map(({ endedMs }) => endedMs)) + REMEMBERED_MS
  }
}
