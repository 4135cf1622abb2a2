/**
 * Writes that were answered before they are durable (`batch=ok`). They go to the database at once, where those that wait
 * share a commit; a server that stops waits for them. What is on its way is bounded: beyond that a request
 * waits for its own write like any other, so a client cannot make the server hold more than the disk takes.
 */
export class BatchWrites {
  readonly #limitBytes: number
  #bytes = 0

  constructor(limitBytes: number = 16 * 1024 * 1024) {
    this.#limitBytes = limitBytes
  }

  /** Resolves when the client may be answered. `write` must not reject. */
  async add(write: Promise<void>, bytes: number): Promise<void> {
    this.#bytes += bytes
    const done = write.finally(() => {
      this.#bytes -= bytes
    })
    if (this.#bytes > this.#limitBytes) await done
  }
}
