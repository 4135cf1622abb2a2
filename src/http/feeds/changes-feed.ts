import { type ChangesReader, LINES, LISTED } from '../../documents/changes-rows.ts'
import { FLUSH, PAUSE, type Piece, type RowFiller } from '../../documents/piece.ts'
import { stringText } from '../../json/writer.ts'
import type { AnswerPiece } from '../answer/answer.ts'
import type { ChangesParameters } from '../request/changes-parameters.ts'

/** Why a waiting feed goes on. */
export type Wakeup = 'changed' | 'idle' | 'ended'

/** Waits for a change; `idle` after that many milliseconds, `ended` when nobody listens any more. */
export type WaitForChange = (idleMs: number) => Promise<Wakeup>

/** Feeds leave the freeing of the reader's snapshot to who runs them: an unstarted generator frees nothing. */
const START = '{"results":[\n'

/** The normal feed: everything up to now. */
export function* normalFeed(reader: ChangesReader): Generator<AnswerPiece> {
  yield START
  const filler = reader.filler(LISTED)
  if (filler === undefined) yield* joined(reader)
  else yield filler
  yield end(reader)
}

/** Answers at the first change. A line break is sent at once, so that the client knows it is connected. */
export async function* longpollFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  idle: Idle,
): AsyncGenerator<AnswerPiece> {
  yield START
  let any = false
  for (;;) {
    const filler = reader.filler(LISTED)
    if (filler === undefined) for (const piece of joined(reader, () => (any = true))) yield piece
    else {
      const before = reader.left
      yield filler
      any = reader.left < before
    }
    if (any || reader.exhausted) break
    yield '\n'
    yield FLUSH
    reader.next()
    // While it waits there is nothing to read, and no database to read it from.
    let wakeup = await waitOut(wait, idle)
    while (wakeup === 'beat') {
      yield '\n'
      yield FLUSH
      wakeup = await waitOut(wait, idle)
    }
    if (wakeup === 'stop') break
  }
  yield end(reader)
}

/** A line for each change, as they come. */
export async function* continuousFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  idle: Idle,
): AsyncGenerator<AnswerPiece> {
  yield* lines(reader, wait, idle, {
    filler: () => reader.filler(LINES),
    row: (pieces) => [...pieces, '\n'],
    beat: '\n',
    end: () => `{${position(reader)}}\n`,
  })
}

/** The same as server-sent events. */
export async function* eventFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  idle: Idle,
): AsyncGenerator<AnswerPiece> {
  yield* lines(reader, wait, idle, {
    row: (pieces, seq) => ['data: ', ...pieces, `\nid: ${stringText(seq)}\n\n`],
    beat: 'event: heartbeat\ndata: \n\n',
    end: () => '',
  })
}

/** How long a feed waits, and whether it then gives a sign of life or ends. */
export interface Idle {
  afterMs: number
  beats: boolean
}

export function idleOf(parameters: ChangesParameters, defaultMs: number): Idle {
  const { heartbeatMs, timeoutMs } = parameters
  if (heartbeatMs === true) return { afterMs: defaultMs, beats: true }
  if (heartbeatMs !== undefined) return { afterMs: Math.min(defaultMs, heartbeatMs), beats: true }
  return { afterMs: Math.min(defaultMs, timeoutMs ?? defaultMs), beats: false }
}

interface LineForm {
  /** The rows up to now as they are stored; undefined where `row` is asked for each. */
  filler?(): RowFiller | undefined
  row(pieces: Piece[], seq: string): Piece[]
  beat: string
  end(): string
}

async function* lines(
  reader: ChangesReader,
  wait: WaitForChange,
  idle: Idle,
  form: LineForm,
): AsyncGenerator<AnswerPiece> {
  for (;;) {
    const filler = form.filler?.()
    if (filler !== undefined) yield filler
    else {
      for (const { row, pieces, wait: judging } of reader.take()) {
        if (pieces.length === 0) yield judging ?? PAUSE
        else yield* form.row(pieces, row.seq)
      }
    }
    if (reader.exhausted || reader.endsWithPresent) break
    yield FLUSH
    reader.next()
    let wakeup = await waitOut(wait, idle)
    while (wakeup === 'beat') {
      yield form.beat
      yield FLUSH
      wakeup = await waitOut(wait, idle)
    }
    if (wakeup === 'stop') break
  }
  yield form.end()
}

/** `beat`: give a sign of life; `stop`: the feed is over. */
export async function waitOut(wait: WaitForChange, idle: Idle): Promise<'changed' | 'beat' | 'stop'> {
  const wakeup = await wait(idle.afterMs)
  if (wakeup === 'changed') return 'changed'
  return wakeup === 'idle' && idle.beats ? 'beat' : 'stop'
}

function* joined(reader: ChangesReader, onRow: () => void = () => {}): Generator<Piece> {
  let comma = ''
  for (const { pieces, wait } of reader.take()) {
    if (pieces.length === 0) {
      yield wait ?? PAUSE
      continue
    }
    onRow()
    const [first] = pieces
    if (pieces.length === 1 && typeof first === 'string') {
      yield comma + first
    } else {
      if (comma !== '') yield comma
      yield* pieces
    }
    comma = ',\r\n'
  }
}

function end(reader: ChangesReader): string {
  return `\n],\n${position(reader)}}\n`
}

function position(reader: ChangesReader): string {
  const pending = reader.pending()
  return `"last_seq":${stringText(reader.lastSeq())}${pending === undefined ? '' : `,"pending":${pending}`}`
}
