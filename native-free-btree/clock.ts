/** Time as the engine sees it; simulations pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /**
   * Runs `callback` once after `delayMs`. The timer keeps the process alive where `isAwaited`, since a caller's promise
   * waits for it and perhaps nothing else goes on; others must not. Returns a canceller.
   */
  after(delayMs: number, callback: () => void, isAwaited?: boolean): () => void
}

/** Fills `target` with random bytes; simulations pass a seeded one. */
export type RandomBytes = (target: Uint8Array) => void
