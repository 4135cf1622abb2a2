/**
 * The time that a selector may take, since whoever sends one decides what it costs, and whoever writes documents as
 * well. What holds:
 * - One document holds the event loop for `DOCUMENT_MS` at most, or, where the thread did not have a processor all that time,
 *   until it has had one for `MORE_CPU_MS` more: a busy machine makes no selector a burden.
 * - A request has one budget for all of its documents. Up to `FREE_MS` of each are not counted: a selector that is no
 *   burden may see any number of documents.
 * Beyond either the request is refused. A document is never taken for one that does not match instead: a replication
 * would lose it.
 */
import { performance } from 'node:perf_hooks'
import { DatabaseError } from '../base/errors.ts'
import { threadCpuMs } from '../base/thread-cpu.ts'

const DOCUMENT_MS = 60
const MORE_CPU_MS = 20
const FREE_MS = 1
/** Between two looks at the clock. */
const STEPS = 256

export class SelectorBudget {
  readonly #totalMs: number
  #leftMs: number
  /** When the document that is looked at must be done. */
  #endMs = Number.POSITIVE_INFINITY
  /** The thread's time on a processor at which it must be done; undefined before the time is over. */
  #endCpuMs: number | undefined
  #steps = 0

  /** Default: only the time of one document is limited. */
  constructor(totalMs = Number.POSITIVE_INFINITY) {
    this.#totalMs = totalMs
    this.#leftMs = totalMs
  }

  /** Looks at one document. Throws selectorTimeout. */
  measure<T>(look: () => T): T {
    const startMs = performance.now()
    this.#endMs = startMs + DOCUMENT_MS
    this.#endCpuMs = undefined
    try {
      return look()
    } finally {
      const tookMs = performance.now() - startMs
      if (tookMs > FREE_MS) this.#charge(tookMs - FREE_MS)
      this.#endMs = Number.POSITIVE_INFINITY
    }
  }

  /** To be called for each thing that is looked at in a document. Throws selectorTimeout. */
  step(): void {
    this.#steps += 1
    if (this.#steps % STEPS === 0) this.requireTime()
  }

  /** Milliseconds that are left for this document. Throws selectorTimeout when there are none. */
  requireTime(): number {
    const nowMs = performance.now()
    const leftMs = this.#endMs - nowMs
    return leftMs > 0 ? leftMs : this.#moreTime(nowMs)
  }

  #moreTime(nowMs: number): number {
    const cpuMs = threadCpuMs()
    if (cpuMs === undefined) this.giveUp()
    this.#endCpuMs ??= cpuMs + MORE_CPU_MS
    const leftMs = this.#endCpuMs - cpuMs
    if (leftMs <= 0) this.giveUp()
    this.#endMs = nowMs + leftMs
    return leftMs
  }

  /** Throws selectorTimeout. */
  giveUp(): never {
    throw timeout('The selector takes too much time on one document.')
  }

  /** Another request begins, or what counts as one. */
  renew(): void {
    this.#leftMs = this.#totalMs
  }

  #charge(ms: number): void {
    this.#leftMs -= ms
    if (this.#leftMs <= 0) throw timeout('The selector has used up the time that a request has for it.')
  }
}

function timeout(reason: string): DatabaseError {
  return new DatabaseError('selectorTimeout', reason)
}
