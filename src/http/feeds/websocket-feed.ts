/**
 * `_changes` over a WebSocket, as Sync Gateway speaks it: the client's first message is an object with the options of
 * the feed; each message of the server is an array of rows, as the other feeds have them. An empty array says that
 * everything up to the present has been sent, once; an empty message is a heartbeat.
 *
 * A message is sent when the socket has taken the one before, so beside what the socket holds no more than one chunk is
 * in memory: long messages go out in fragments. A client that takes nothing for `stallMs` is cut off.
 */
import type { WebSocket } from 'ws'
import type { DatabaseError } from '../../base/errors.ts'
import { isTurnOver, nextTurn } from '../../base/time-slice.ts'
import { ChangesReader } from '../../documents/changes-rows.ts'
import { FLUSH, PAUSE, type Piece } from '../../documents/piece.ts'
import { canonicalizeSteps } from '../../json/documents.ts'
import { parseSteps } from '../../json/value-steps.ts'
import { requireObject } from '../request/body.ts'
import { parseChangesParameters } from '../request/changes-parameters.ts'
import type { Exchange } from '../request/exchange.ts'
import { readJson } from '../request/parameters.ts'
import { Query } from '../request/query.ts'
import { idleOf, waitOut } from './changes-feed.ts'
import { watchDatabase } from './database-watch.ts'
import { Pulse } from './pulse.ts'
import { requestedFilter } from './requested-filter.ts'

const CHUNK_BYTES = 32 * 1024

/** Options whose 0 means none, which CouchDB's parameters of the same names do not know. */
const ZERO_IS_NONE = new Set(['heartbeat', 'timeout'])

/** Rejects with badRequest and what the filter throws. */
export async function openWebsocketFeed(
  exchange: Exchange,
  message: Buffer,
): Promise<{
  /** Sends until the feed is over, or until the client, the database or the server went away. */
  run: (socket: WebSocket) => Promise<'done' | 'went away'>
}> {
  const options = message.length === 0 ? {} : requireObject(await parsed(exchange, message))
  const given = Object.entries(options).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const pairs = [...exchange.query.pairs, ...given].filter(
    ([name, value]) => !(ZERO_IS_NONE.has(name) && value === '0') && name !== 'feed',
  )
  const parameters = parseChangesParameters(new Query(pairs), undefined)
  const ids = exchange.query.get('doc_ids')
  const body = ids === undefined ? options : { doc_ids: readJson(ids), ...options }
  const reader = new ChangesReader(
    () => exchange.database,
    parameters,
    requestedFilter(exchange, parameters, body),
  )
  reader.open()
  const { clock } = exchange.backend
  const pulse = new Pulse(idleOf(parameters, exchange.limits.feedTimeoutMs), () => clock.monotonic())
  const run = async (socket: WebSocket): Promise<'done' | 'went away'> => {
    const { wait, ended, stop } = watchDatabase(exchange, exchange.request.socket)
    const messages = new Messages(socket, exchange.limits.idleTimeoutMs)
    try {
      let current = false
      while (!messages.gone) {
        await sendRows(reader, messages, pulse)
        if (!current) {
          await messages.send('[]', true)
          pulse.beaten()
        }
        current = true
        if (reader.exhausted || reader.endsWithPresent) break
        reader.next()
        let wakeup = await waitOut(wait, pulse)
        while (wakeup === 'beat' && !messages.gone) {
          await beat(messages, pulse)
          wakeup = await waitOut(wait, pulse)
        }
        if (wakeup === 'stop') break
      }
      return ended() ? 'went away' : 'done'
    } finally {
      stop()
      reader.close()
    }
  }
  return { run }
}

async function parsed(exchange: Exchange, message: Buffer): Promise<unknown> {
  const text = await exchange.inTurns(canonicalizeSteps(message))
  return exchange.inTurns(parseSteps(text.toString()))
}

async function sendRows(reader: ChangesReader, messages: Messages, pulse: Pulse): Promise<void> {
  for (const { pieces, wait } of reader.take()) {
    if (wait !== undefined) for await (const _ of pulse.during(wait)) await beat(messages, pulse)
    if (pieces.length > 0) await messages.row(pieces)
    else if (pulse.isDue) await beat(messages, pulse)
    if (isTurnOver()) await nextTurn()
    if (messages.gone) return
  }
  if (await messages.end()) pulse.beaten()
  else if (pulse.isDue) await beat(messages, pulse)
}

/** An empty message, or the rows so far where there are some: nothing stands between the parts of a message. */
async function beat(messages: Messages, pulse: Pulse): Promise<void> {
  if (!(await messages.end())) await messages.send('', true)
  pulse.beaten()
}

/** Rows on their way into messages. */
class Messages {
  readonly #socket: WebSocket
  readonly #stallMs: number
  #parts: Buffer[] = []
  #bytes = 0
  #rows = 0

  constructor(socket: WebSocket, stallMs: number) {
    this.#socket = socket
    this.#stallMs = stallMs
  }

  get gone(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN
  }

  async row(pieces: readonly Piece[]): Promise<void> {
    this.#add(this.#rows === 0 ? '[' : ',')
    this.#rows += 1
    for (const piece of pieces) {
      if (piece === FLUSH || piece === PAUSE) continue
      if (typeof piece === 'string' || piece instanceof Uint8Array) {
        this.#add(piece)
        continue
      }
      for await (const part of piece) {
        this.#add(part)
        if (this.#bytes >= CHUNK_BYTES) await this.#fragment(false)
        if (this.gone) return
      }
    }
    if (this.#bytes >= CHUNK_BYTES) await this.end()
  }

  /** Ends the message. False where there is none. */
  async end(): Promise<boolean> {
    if (this.#rows === 0) return false
    this.#add(']')
    this.#rows = 0
    await this.#fragment(true)
    await nextTurn()
    return true
  }

  /** Resolves when the socket has taken it, or when the client has gone. */
  send(data: string | Buffer, last: boolean): Promise<void> {
    return new Promise((resolve) => {
      const stalled = setTimeout(() => this.#socket.terminate(), this.#stallMs)
      this.#socket.send(data, { fin: last, binary: false }, () => {
        clearTimeout(stalled)
        resolve()
      })
    })
  }

  #add(part: string | Uint8Array): void {
    const bytes = typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)
    this.#parts.push(bytes)
    this.#bytes += bytes.length
  }

  #fragment(last: boolean): Promise<void> {
    const data = Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = 0
    return this.send(data, last)
  }
}

/** A close code and a reason, which must fit a frame of 125 bytes. */
export function closeOf(error: DatabaseError): { code: number; reason: string } {
  if (error.status >= 500) return { code: 1011, reason: error.error }
  const text = Buffer.from(`${error.error}: ${error.reason}`)
  return {
    code: 1008,
    reason: text
      .subarray(0, 120)
      .toString()
      .replace(/\ufffd$/, ''),
  }
}
