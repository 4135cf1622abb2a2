/** Time as the engine sees it; simulations pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Runs `callback` once after `delayMs`; the timer must not keep the process alive. Returns a canceller. */
  after(delayMs: number, callback: () => void): () => void
}

/** Fills `target` with random bytes; simulations pass a seeded one. */
export type RandomBytes = (target: Uint8Array) => void
