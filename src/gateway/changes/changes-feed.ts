/** `_changes` over HTTP: once, until there is something, or for as long as the client stays. */
import type { Clock } from '../../base/clock.ts'
import { FLUSH, type Piece } from '../../documents/piece.ts'
import { Pulse } from '../../http/feeds/pulse.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { ChangeWait } from './change-wait.ts'
import type { ChangesOptions } from './changes-options.ts'
import { ChangesPasses, type ReaderNow } from './changes-pass.ts'

export interface FeedParts {
  database: GatewayDatabase
  reader: ReaderNow
  options: ChangesOptions
  clock: Pick<Clock, 'monotonic'>
  /** Aborted when the client has gone or the server stops. */
  gone: AbortSignal
}

/** `{"results":[...],"last_seq":"n"}`; with longpoll not before there is a row, or the time is over. */
export async function* resultPieces(parts: FeedParts): AsyncGenerator<Piece, void, void> {
  const { database, reader, options, clock, gone } = parts
  const isWaiting = options.feed === 'longpoll'
  const pulse = pulseOf(isWaiting ? options.heartbeatMs : undefined, clock)
  const passes = new ChangesPasses(database, reader, options, gone, pulse)
  const wait = isWaiting ? new ChangeWait(database, passes.watched, gone) : undefined
  const endMs = clock.monotonic() + options.timeoutMs
  try {
    wait?.begin()
    let rows = await passes.take()
    let isOpen = false
    while (rows.length === 0 && wait !== undefined) {
      if (!isOpen) {
        yield '{"results":[\r\n'
        yield FLUSH
        pulse.beaten()
      }
      isOpen = true
      if (pulse.isDue) yield* beat(pulse)
      if (!passes.isBetween) {
        const left = options.timeoutMs === 0 ? undefined : endMs - clock.monotonic()
        const wakeup = await wait.next(left, pulse)
        if (wakeup === 'gone' || wakeup === 'timeout') break
        if (wakeup === 'beat') {
          yield* beat(pulse)
          continue
        }
        wait.begin()
      }
      rows = await passes.take()
    }
    if (!isOpen) yield '{"results":[\r\n'
    for (let isFirst = true; rows.length > 0 || passes.isBetween; rows = await passes.take()) {
      if (rows.length === 0) {
        yield* beat(pulse)
        continue
      }
      yield (isFirst ? '' : ',\r\n') + rows.join(',\r\n')
      isFirst = false
    }
    yield `],\r\n"last_seq":"${passes.lastSequence}"}\n`
  } finally {
    wait?.stop()
  }
}

/** A line of JSON for each row, an empty one when there are no more and as heartbeat. */
export async function* continuousPieces(parts: FeedParts): AsyncGenerator<Piece, void, void> {
  const { database, reader, options, clock, gone } = parts
  const pulse = pulseOf(options.heartbeatMs, clock)
  const passes = new ChangesPasses(database, reader, options, gone, pulse)
  const wait = new ChangeWait(database, passes.watched, gone)
  let endMs = clock.monotonic() + options.timeoutMs
  try {
    for (let isDue = true; ; ) {
      wait.begin()
      for (let rows = await passes.take(); rows.length > 0 || passes.isBetween; rows = await passes.take()) {
        if (rows.length === 0) {
          yield* beat(pulse)
          continue
        }
        isDue = true
        yield `${rows.join('\n')}\n`
      }
      if (passes.isExhausted) return
      if (isDue) {
        yield* beat(pulse)
        endMs = clock.monotonic() + options.timeoutMs
      }
      const left = options.timeoutMs === 0 ? undefined : endMs - clock.monotonic()
      const wakeup = await wait.next(left, pulse)
      if (wakeup === 'gone' || wakeup === 'timeout') return
      isDue = wakeup === 'beat'
    }
  } finally {
    wait.stop()
  }
}

/** `heartbeatMs` undefined: no signs of life are asked for. */
export function pulseOf(heartbeatMs: number | undefined, clock: Pick<Clock, 'monotonic'>): Pulse {
  return new Pulse({ afterMs: heartbeatMs ?? 0, beats: heartbeatMs !== undefined }, () => clock.monotonic())
}

/** With what was gathered before. */
function* beat(pulse: Pulse): Generator<Piece> {
  yield '\n'
  yield FLUSH
  pulse.beaten()
}
