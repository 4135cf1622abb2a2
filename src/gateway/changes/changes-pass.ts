/** Changes as texts: what is sent of a pass over somebody's changes. */
import { giveWay, nextTurn } from '../../base/time-slice.ts'
import { type ChangeRow, changeRows, channelsRead } from '../../channels/change-rows.ts'
import { mayRead, mayReadChannel, type Reader } from '../../channels/reader.ts'
import { formatSequence, type SequenceId, sequenceText } from '../../channels/sequence-id.ts'
import type { Piece } from '../../documents/piece.ts'
import type { Pulse } from '../../http/feeds/pulse.ts'
import { stringsText, stringText } from '../../json/writer.ts'
import { documentParts } from '../document-answer.ts'
import { GatewayError } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { findRevision, isDocumentId } from '../reads.ts'
import type { ChangesOptions } from './changes-options.ts'

/** Rows that are gathered before they are sent, and characters after which no further one is: rows may have documents. */
const MOST_ROWS = 200
const MOST_GATHERED = 256 * 1024
/** Rows that are looked at and not told, before others get their turn. */
const MOST_PASSED_OVER = 500

/** Whose changes: as he is now, at each call. Throws when he may read nothing any more. */
export type ReaderNow = () => Reader | null

/** Goes through somebody's changes, in passes: each sees the rows that there are behind those of the last one. */
export class ChangesPasses {
  readonly #database: GatewayDatabase
  readonly #reader: ReaderNow
  readonly #options: ChangesOptions
  readonly #gone: AbortSignal
  readonly #pulse: Pulse
  #isBetween = false
  /** Of the last row that was told. */
  #since: SequenceId
  /** Of the last one that was looked at. */
  #place: SequenceId
  #left: number
  /** Of whom `#watched` is. */
  #watcher: Reader | null | undefined
  #watched: ReadonlySet<string> | undefined

  /** `gone` aborts when the client has gone. */
  constructor(
    database: GatewayDatabase,
    reader: ReaderNow,
    options: ChangesOptions,
    gone: AbortSignal,
    pulse: Pulse,
  ) {
    this.#database = database
    this.#reader = reader
    this.#options = options
    this.#gone = gone
    this.#pulse = pulse
    this.#since = options.since
    this.#place = options.since
    this.#left = options.limit ?? Number.POSITIVE_INFINITY
  }

  /** As many rows were taken as were asked for. */
  get isExhausted(): boolean {
    return this.#left <= 0
  }

  /** The last `take` has left off before the end of the pass, for a sign of life that is due. */
  get isBetween(): boolean {
    return this.#isBetween
  }

  get lastSequence(): string {
    return formatSequence(this.#since)
  }

  /** See `Watched`. A reader is another object whenever he may read something else than before. */
  readonly watched = (): ReadonlySet<string> | undefined => {
    const reader = this.#reader()
    if (reader !== this.#watcher) {
      this.#watcher = reader
      this.#watched = channelsRead(reader, this.#options.channels)
    }
    return this.#watched
  }

  /** The next rows; none where there are none now, where a sign of life is due, and where the client has gone. */
  async take(most = MOST_ROWS): Promise<string[]> {
    this.#isBetween = false
    for (;;) {
      const texts: string[] = []
      const hasMore = this.#step(texts, most)
      if (texts.length > 0 || !hasMore || this.#gone.aborted) return texts
      await nextTurn()
      if (this.#pulse.isDue) {
        this.#isBetween = true
        return texts
      }
    }
  }

  /** Returns whether it left off before the end for having passed over many. */
  #step(texts: string[], most: number): boolean {
    const reader = this.#reader()
    if (this.#left <= 0) return false
    let passedOver = 0
    let gathered = 0
    for (const row of changeRows(this.#database, reader, this.#options, this.#place)) {
      this.#place = row.sequence
      if (row.isPassedOver) {
        passedOver += 1
        if (passedOver >= MOST_PASSED_OVER) return true
        continue
      }
      const text = rowText(this.#database, reader, row, this.#options)
      texts.push(text)
      gathered += text.length
      this.#since = row.sequence
      this.#left -= 1
      if (texts.length >= most || gathered >= MOST_GATHERED || this.#left <= 0) break
    }
    return false
  }
}

function rowText(
  database: GatewayDatabase,
  reader: Reader | null,
  row: ChangeRow,
  { includeDocs, allLeaves, activeOnly }: Pick<ChangesOptions, 'includeDocs' | 'allLeaves' | 'activeOnly'>,
): string {
  const { id, rev, removed } = row
  const revs =
    rev === undefined
      ? []
      : allLeaves && !row.isAccount && removed === undefined
        ? leavesOf(database, id, rev, activeOnly)
        : [rev]
  const deleted = row.deleted ? ',"deleted":true' : ''
  const left = removed === undefined ? '' : `,"removed":${stringsText(removed)}`
  const doc = includeDocs && !row.isAccount ? documentMember(database, reader, row) : ''
  const changes = revs.map((each) => `{"rev":${stringText(each)}}`).join(',')
  return `{"seq":${sequenceText(row.sequence)},"id":${stringText(id)}${deleted}${left}${doc},"changes":[${changes}]}`
}

function leavesOf(database: GatewayDatabase, id: string, first: string, activeOnly: boolean): string[] {
  const others = (database.leaves(id)?.leaves ?? []).filter(
    ({ view }) => view.rev !== first && !(activeOnly && view.deleted),
  )
  return [first, ...others.map(({ view }) => view.rev)]
}

function documentMember(database: GatewayDatabase, reader: Reader | null, row: ChangeRow): string {
  const { id } = row
  const rev = row.rev!
  const seen = findRevision(database, reader, id, rev)
  if (seen !== undefined) return `,"doc":${textOf(documentParts(seen, {}, false).json)}`
  // Old revisions go with a compaction.
  const state = row.deleted ? '"_deleted":true' : '"_removed":true'
  return `,"doc":{"_id":${stringText(id)},"_rev":${stringText(rev)},${state}}`
}

/** Of pieces without attachments' bytes. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => (typeof piece === 'string' ? piece : Buffer.from(piece as Uint8Array).toString()))
    .join('')
}

/** The changes of single documents in their order, as a feed that ends. Each row is made when it is sent. */
export async function* piecesOfDocuments(
  database: GatewayDatabase,
  readerNow: ReaderNow,
  options: ChangesOptions,
): AsyncGenerator<Piece, void, void> {
  const found: ChangeRow[] = []
  for (const id of new Set(options.ids)) {
    const row = documentRow(database, readerNow(), id, options.since.major)
    if (row !== undefined && !(options.activeOnly && (row.deleted || row.removed !== undefined)))
      found.push(row)
    await giveWay()
  }
  found.sort((a, b) => a.sequence.major - b.sequence.major)
  const shown = found.slice(0, options.limit)
  yield '{"results":[\r\n'
  let comma = ''
  for (const row of shown) {
    yield comma + rowText(database, readerNow(), row, options)
    comma = ',\r\n'
    await giveWay()
  }
  yield `],\r\n"last_seq":${shown.at(-1)?.sequence.major ?? 0}}\n`
}

function documentRow(
  database: GatewayDatabase,
  reader: Reader | null,
  id: string,
  since: number,
): ChangeRow | undefined {
  const leaves = isDocumentId(id) ? database.leaves(id) : undefined
  if (leaves === undefined) return undefined
  const { state, seq } = leaves.latest.record
  const { view, record } = leaves.winner
  const inChannels = [...state.channels].filter(([name]) => mayReadChannel(reader, name))
  const isIn =
    mayRead(reader, record.output.channels) || inChannels.some(([, removal]) => removal === undefined)
  if (isIn) {
    if (seq <= since) return undefined
    const sequence = { major: seq, minor: undefined }
    const { deleted, rev } = view
    return { sequence, id, deleted, removed: undefined, rev, isAccount: false, isPassedOver: false }
  }
  // What he is told of a document that has left is the last that he was to see of it.
  const removals = inChannels.map(([, removal]) => removal!).sort((a, b) => b.seq - a.seq)
  const last = removals[0]
  if (last === undefined || last.seq <= since) return undefined
  const removed = inChannels.filter(([, removal]) => removal!.seq === last.seq).map(([name]) => name)
  const sequence = { major: last.seq, minor: undefined }
  const { deleted, rev } = last
  return { sequence, id, deleted, removed, rev, isAccount: false, isPassedOver: false }
}

/** What ends a feed whose reader is nobody any more. */
export function readerGone(): GatewayError {
  return new GatewayError(401, 'Login required')
}
