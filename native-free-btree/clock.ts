/** Time as the engine sees it; simulations pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /**
   * Runs `callback` once after `delayMs`. The timer keeps the process alive where `isAwaited`, since a caller's promise
   * waits for it and perhaps nothing else goes on; others must not. Returns a canceller.
   */
  after(delayMs: number, callback: () => void, isAwaited?: boolean): () => void
  /**
   * Resolves when all has come that the present turn of the event loop brings: messages of other threads and bytes of sockets have a
   * callback each, and what waits for promises runs between them. What was handed over by then goes into one group. A clock without
   * it has turns that end at once, as a simulation's do, in which all that happens at a time happens in one.
   */
  turnEnd?(): Promise<void>
}

/** Fills `target` with random bytes; simulations pass a seeded one. */
export type RandomBytes = (target: Uint8Array) => void
