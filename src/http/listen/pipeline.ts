/**
 * The requests of one connection, which a client may send without waiting for answers (RFC 9112, 9.3.2). What holds:
 * - Requests begin in their order. Only safe ones run beside each other; one that may change something runs alone, after
 *   all before it are done with and before any behind it begins.
 * - So many wait at most: beyond that the connection is not read. What one read had brought beside is taken in, up to a
 *   bound that no client comes to.
 * - Who waits has nothing: no lease, no room for a body. When the client goes it is forgotten.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const MOST_RUNNING = 64
const PAUSE_AT = 32
const MOST_WAITING = 4096

interface Waiting {
  isSafe: boolean
  begin: () => void
}

const LINES = new WeakMap<Socket, Pipeline>()

export class Pipeline {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #running = 0
  /** The one that runs may change something. */
  #isExclusive = false
  #isPaused = false
  #isPausing = false
  /** Not at once: behind every request that is read Node goes on reading. */
  readonly #pause = (): void => {
    this.#isPausing = false
    if (this.#waiting.length < PAUSE_AT) return
    this.#isPaused = true
    this.#socket.pause()
  }
  /** To the request that came last. */
  newest: ServerResponse | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static of(socket: Socket): Pipeline {
    let line = LINES.get(socket)
    if (line === undefined) {
      line = new Pipeline(socket)
      LINES.set(socket, line)
    }
    return line
  }

  /** Undefined for a connection on which no request has come. */
  static find(socket: Socket): Pipeline | undefined {
    return LINES.get(socket)
  }

  /** Whether the request may begin now. It has begun then, and `leave` ends it; else it is given to `wait`. */
  enter(isSafe: boolean, response: ServerResponse): boolean {
    this.newest = response
    return this.#waiting.length === 0 && this.#tryBegin(isSafe)
  }

  /** `begin` is called when the request's turn has come. */
  wait(isSafe: boolean, begin: () => void): void {
    this.#waiting.push({ isSafe, begin })
    if (this.#waiting.length > MOST_WAITING) this.#socket.destroy()
    else if (this.#waiting.length >= PAUSE_AT && !this.#isPausing) {
      this.#isPausing = true
      setImmediate(this.#pause)
    }
  }

  /** A request is done with: its answer was handed over, or will never be. */
  leave(): void {
    this.#running -= 1
    if (this.#running === 0) this.#isExclusive = false
    if (this.#waiting.length > 0) this.#beginWaiting()
  }

  #tryBegin(isSafe: boolean): boolean {
    if (isSafe ? this.#isExclusive || this.#running >= MOST_RUNNING : this.#running > 0) return false
    this.#running += 1
    if (!isSafe) this.#isExclusive = true
    return true
  }

  #beginWaiting(): void {
    if (this.#socket.destroyed) {
      this.#waiting.length = 0
      return
    }
    let begun = 0
    for (const { isSafe } of this.#waiting) {
      if (!this.#tryBegin(isSafe)) break
      begun += 1
    }
    const beginning = this.#waiting.splice(0, begun)
    if (this.#isPaused && this.#waiting.length < PAUSE_AT) {
      this.#isPaused = false
      this.#socket.resume()
    }
    // In a turn of their own: answers that are given at once would call this again, ever deeper.
    for (const { begin } of beginning) setImmediate(begin)
  }
}
