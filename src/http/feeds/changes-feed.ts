import { type ChangesReader, Judging, LINES, LISTED } from '../../documents/changes-rows.ts'
import { FLUSH, PAUSE, type Piece, type RowFiller } from '../../documents/piece.ts'
import { stringText } from '../../json/writer.ts'
import type { AnswerPiece } from '../answer/answer.ts'
import type { ChangesParameters } from '../request/changes-parameters.ts'
import type { Idle, Pulse } from './pulse.ts'

/** Why a waiting feed goes on. */
export type Wakeup = 'changed' | 'idle' | 'ended'

/** Waits for a change; `idle` after that many milliseconds, `ended` when nobody listens any more. */
export type WaitForChange = (idleMs: number) => Promise<Wakeup>

/** Feeds leave the freeing of the reader's snapshot to who runs them: an unstarted generator frees nothing. */
const START = '{"results":[\n'
const NEWLINE = '\n'

/** The normal feed: everything up to now. */
export function* normalFeed(reader: ChangesReader): Generator<AnswerPiece> {
  yield START
  const filler = reader.filler(LISTED)
  if (filler === undefined) yield* joined(reader)
  else yield filler
  yield end(reader)
}

/** The same with signs of life, while a filter keeps rows back. */
export async function* beatingNormalFeed(reader: ChangesReader, pulse: Pulse): AsyncGenerator<AnswerPiece> {
  yield START
  yield* beating(joined(reader), pulse, NEWLINE)
  yield end(reader)
}

/** Answers at the first change. A line break is sent at once, so that the client knows it is connected. */
export async function* longpollFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  pulse: Pulse,
): AsyncGenerator<AnswerPiece> {
  yield START
  let any = false
  let isFirst = true
  for (;;) {
    const filler = reader.filler(LISTED)
    if (filler === undefined) {
      yield* beating(
        joined(reader, () => (any = true)),
        pulse,
        NEWLINE,
      )
    } else {
      const before = reader.left
      yield filler
      any = reader.left < before
    }
    if (any || reader.exhausted) break
    if (isFirst || pulse.isDue) yield* beat(pulse, NEWLINE)
    isFirst = false
    reader.next()
    // While it waits there is nothing to read, and no database to read it from.
    let wakeup = await waitOut(wait, pulse)
    while (wakeup === 'beat') {
      yield* beat(pulse, NEWLINE)
      wakeup = await waitOut(wait, pulse)
    }
    if (wakeup === 'stop') break
  }
  yield end(reader)
}

/** A line for each change, as they come. */
export async function* continuousFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  pulse: Pulse,
): AsyncGenerator<AnswerPiece> {
  yield* lines(reader, wait, pulse, {
    filler: () => reader.filler(LINES),
    row: (pieces) => [...pieces, NEWLINE],
    beat: NEWLINE,
    end: () => `{${position(reader)}}\n`,
  })
}

/** The same as server-sent events. */
export async function* eventFeed(
  reader: ChangesReader,
  wait: WaitForChange,
  pulse: Pulse,
): AsyncGenerator<AnswerPiece> {
  yield* lines(reader, wait, pulse, {
    row: (pieces, seq) => ['data: ', ...pieces, `\nid: ${stringText(seq)}\n\n`],
    beat: 'event: heartbeat\ndata: \n\n',
    end: () => '',
  })
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
  pulse: Pulse,
  form: LineForm,
): AsyncGenerator<AnswerPiece> {
  for (;;) {
    const before = reader.left
    const filler = form.filler?.()
    if (filler !== undefined) yield filler
    else yield* beating(rowsAs(reader, form), pulse, form.beat)
    if (reader.exhausted || reader.endsWithPresent) break
    if (reader.left < before) pulse.gathered()
    yield FLUSH
    pulse.flushed()
    if (pulse.isDue) yield* beat(pulse, form.beat)
    reader.next()
    let wakeup = await waitOut(wait, pulse)
    while (wakeup === 'beat') {
      yield* beat(pulse, form.beat)
      wakeup = await waitOut(wait, pulse)
    }
    if (wakeup === 'stop') break
  }
  yield form.end()
}

function* rowsAs(reader: ChangesReader, form: LineForm): Generator<Piece> {
  for (const { row, pieces, wait } of reader.take()) {
    if (pieces.length === 0) yield wait ?? PAUSE
    else yield* form.row(pieces, row.seq)
  }
}

/** With what was gathered before. */
function* beat(pulse: Pulse, text: string): Generator<AnswerPiece> {
  yield text
  yield FLUSH
  pulse.beaten()
}

/** Rows, with signs of life where none of them is shown for long. */
async function* beating(rows: Generator<Piece>, pulse: Pulse, text: string): AsyncGenerator<AnswerPiece> {
  for (const piece of rows) {
    const isBetween = piece === PAUSE || piece instanceof Judging
    if (pulse.beats && piece instanceof Judging) {
      for await (const _ of pulse.during(piece)) yield* beat(pulse, text)
    } else yield piece
    if (isBetween && pulse.isDue) yield* beat(pulse, text)
  }
}

/** `beat`: give a sign of life; `stop`: the feed is over. */
export async function waitOut(wait: WaitForChange, pulse: Pulse): Promise<'changed' | 'beat' | 'stop'> {
  const wakeup = await wait(pulse.idleMs)
  if (wakeup === 'changed') return 'changed'
  return wakeup === 'idle' && pulse.beats ? 'beat' : 'stop'
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
