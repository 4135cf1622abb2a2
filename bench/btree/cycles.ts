/** Checkpoint cycles of our store, as seen from outside after each commit. */
import type { StoreAdapter } from '../../src/lab/peers/adapter.ts'

/** Whole cycles that are measured. */
export const CYCLES = 3

export class Cycles {
  readonly #store: StoreAdapter
  #running: boolean
  count = 0

  constructor(store: StoreAdapter) {
    this.#store = store
    this.#running = store.isCheckpointing?.() ?? false
  }

  /** Called after each commit: whether a checkpoint ended with it. */
  ended(): boolean {
    const running = this.#store.isCheckpointing?.() ?? false
    const ended = this.#running && !running
    this.#running = running
    if (ended) this.count += 1
    return ended
  }

  restart(): void {
    this.count = 0
  }
}

/** Bytes by kind for each document, and `filled`: what was written only to make room ahead. */
export function kindsOf(
  name: string,
  before: Record<string, number>,
  after: Record<string, number>,
  documents: number,
): Record<string, number> {
  const figures: Record<string, number> = { [`${name}.filled`]: 0 }
  for (const [kind, bytes] of Object.entries(after)) {
    const each = (bytes - (before[kind] ?? 0)) / documents
    if (/zero|fill/i.test(kind)) figures[`${name}.filled`]! += each
    else figures[`${name}.${kind.replace('BytesWritten', '')}`] = each
  }
  return figures
}
