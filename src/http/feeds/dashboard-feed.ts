/**
 * The one stream of events that feeds the dashboard, for all who look on in a thread. What holds:
 * - While nobody looks nothing is asked for. All viewers share one question each time and one text of what has changed; while
 *   nothing changes they are asked for half as often and sent nothing but a sign of life.
 * - A viewer whose connection does not take what was sent is left out, and gets everything at once when it does; one that
 *   takes nothing for long is cut off. So there is one text in memory for each, at most.
 * - A viewer's right is looked at again all the time: a stream does not outlive its session.
 */
import { DatabaseError } from '../../base/errors.ts'
import { FLUSH, type Piece } from '../../documents/piece.ts'
import type { Look } from '../../server/dashboard.ts'
import type { Answer } from '../answer/answer.ts'
import type { Exchange, Service } from '../request/exchange.ts'

/** Of one thread. */
export const MOST_VIEWERS = 32
/** While things change, and while they do not. */
const TICK_MS = 500
const QUIET_TICK_MS = 1000
/** So many ticks without a change, and it is quiet. */
const QUIET_TICKS = 10
const BEAT_MS = 10_000
const RIGHT_EVERY_MS = 5000
const STALLED_MS = 30_000

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // A proxy that gathers bytes would hold them back.
  'x-accel-buffering': 'no',
}
/** Browsers come back so soon when the stream has ended. */
const BEGINNING = 'retry: 2000\n\n'
const BEAT = ':\n\n'

function eventOf(text: string): string {
  return `data: ${text}\n\n`
}

/** One connection, as the feed sees it. */
class Viewer {
  /** Whether who looks on may still do so. Never rejects. */
  readonly isAllowed: () => Promise<boolean>
  /** It has missed something: it gets everything. */
  isBehind = true
  isOver = false
  /** When it was first found to be busy with what it got before; undefined while it waits. */
  stalledAtMs: number | undefined
  #text: string | undefined
  #wake: (() => void) | undefined

  constructor(isAllowed: () => Promise<boolean>) {
    this.isAllowed = isAllowed
  }

  offer(text: string, nowMs: number): void {
    if (this.#wake === undefined || this.isBehind) {
      this.isBehind = true
      this.stalledAtMs ??= nowMs
    } else {
      this.#text = text
    }
    this.#wake?.()
  }

  end(): void {
    this.isOver = true
    this.#wake?.()
  }

  /** Resolves to what was offered, undefined where there is everything to be sent, or nothing any more. */
  async next(): Promise<string | undefined> {
    this.stalledAtMs = undefined
    if (!this.isBehind && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    const text = this.#text
    this.#text = undefined
    return text
  }
}

export class DashboardFeed {
  readonly #service: Service
  readonly #viewers = new Map<Viewer, Exchange>()
  #timer: NodeJS.Timeout | undefined
  #version = 0
  #quietTicks = 0
  #beatAtMs = 0
  #rightAtMs = 0

  constructor(service: Service) {
    this.#service = service
    service.stopping.addEventListener('abort', () => this.#endAll(), { once: true })
  }

  /** Throws serviceUnavailable where too many look on. */
  join(exchange: Exchange, isAllowed: () => Promise<boolean>): Answer {
    if (this.#viewers.size >= MOST_VIEWERS || this.#service.stopping.aborted) {
      throw new DatabaseError('serviceUnavailable', 'too many look at the dashboard')
    }
    const viewer = new Viewer(isAllowed)
    this.#viewers.set(viewer, exchange)
    if (this.#viewers.size === 1) this.#begin()
    const pieces = this.#pieces(viewer)
    const leave = (): void => {
      this.#viewers.delete(viewer)
      viewer.end()
    }
    const end = async (): Promise<IteratorResult<Piece>> => {
      leave()
      return pieces.return(undefined)
    }
    const next = async (): Promise<IteratorResult<Piece>> => {
      const step = await pieces.next()
      if (step.done === true) leave()
      return step
    }
    return { kind: 'streamed', status: 200, headers: HEADERS, pieces: { next, return: end } }
  }

  async *#pieces(viewer: Viewer): AsyncGenerator<Piece> {
    yield BEGINNING
    for (;;) {
      const text = await viewer.next()
      if (viewer.isOver) return
      if (viewer.isBehind) {
        viewer.isBehind = false
        const { text: all, version } = await this.#look(0)
        if (this.#version === 0) this.#version = version
        if (all !== undefined) yield eventOf(all)
      } else if (text !== undefined) yield text
      yield FLUSH
    }
  }

  #look(since: number): Look | Promise<Look> {
    return this.#service.options.backend.dashboard.look(since)
  }

  #begin(): void {
    this.#version = 0
    this.#quietTicks = 0
    this.#beatAtMs = this.#rightAtMs = this.#nowMs()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tick(), TICK_MS)
  }

  /** Never rejects. */
  async #tick(): Promise<void> {
    const timer = this.#timer
    try {
      const { version, text } = await this.#look(this.#version)
      this.#version = version
      this.#quietTicks = text === undefined ? this.#quietTicks + 1 : 0
      this.#offer(text)
      await this.#checkRights()
    } catch {
      // Who is asked has gone, as when the server stops.
      this.#endAll()
    }
    // Those who looked on may have gone, and others come, who began anew.
    if (this.#viewers.size === 0 || this.#timer !== timer) return
    const waitMs = this.#quietTicks < QUIET_TICKS ? TICK_MS : QUIET_TICK_MS
    this.#timer = setTimeout(() => void this.#tick(), waitMs)
  }

  #offer(text: string | undefined): void {
    const nowMs = this.#nowMs()
    const isBeat = text === undefined && nowMs - this.#beatAtMs >= BEAT_MS
    if (text !== undefined || isBeat) {
      this.#beatAtMs = nowMs
      const event = text === undefined ? BEAT : eventOf(text)
      for (const viewer of this.#viewers.keys()) viewer.offer(event, nowMs)
    }
    this.#cutStalled(nowMs)
  }

  #cutStalled(nowMs: number): void {
    for (const [viewer, { response }] of this.#viewers) {
      if (viewer.stalledAtMs !== undefined && nowMs - viewer.stalledAtMs >= STALLED_MS) response.destroy()
    }
  }

  async #checkRights(): Promise<void> {
    const nowMs = this.#nowMs()
    if (nowMs - this.#rightAtMs < RIGHT_EVERY_MS) return
    this.#rightAtMs = nowMs
    for (const viewer of [...this.#viewers.keys()]) if (!(await viewer.isAllowed())) viewer.end()
  }

  #endAll(): void {
    for (const viewer of this.#viewers.keys()) viewer.end()
  }

  #nowMs(): number {
    return this.#service.options.backend.clock.monotonic()
  }
}
