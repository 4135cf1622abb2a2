/**
 * The changes that somebody may see, in order: the entries of his channels merged, by the index, so that the cost is that of
 * what he sees. A channel that he has since g is told from its beginning, as `g:n`, to who has not seen g. What holds: a row is of a
 * channel that the reader has now, and every change of such a channel is told once he asks from before it.
 */
import { Heap } from '../base/heap.ts'
import type { Database } from '../database/api/database.ts'
import type { ChannelCursor, ChannelIndex } from './channel-index.ts'
import type { DocumentState } from './document-state.ts'
import { ALL_CHANNELS, GUEST, GUEST_LABEL } from './names.ts'
import { mayReadChannel, type Reader } from './reader.ts'
import { isBefore, isSame, type SequenceId } from './sequence-id.ts'

/** What changes are read from: a database, and the index of its channels. */
export interface ChangeSource {
  readonly database: Pick<Database, 'lookup' | 'changes'>
  readonly channels: Pick<ChannelIndex, 'cursor'>
  /** The last change that is in the index; later ones are not told. */
  readonly indexedSeq: number
  /** Of a document that is there; undefined where nothing is known of it. */
  stateOf(id: string): DocumentState | undefined
  /** Undefined for a document; null for what is never told; of an account the id that its changes have. */
  accountOf(id: string): string | null | undefined
}

export interface ChangeRow {
  readonly sequence: SequenceId
  readonly id: string
  readonly deleted: boolean
  /** Channels that the document left with this change; undefined where it is still in one of the reader's. */
  readonly removed: readonly string[] | undefined
  /** Undefined for accounts as their owners see them. */
  readonly rev: string | undefined
  /** It is an account. */
  readonly isAccount: boolean
  /** Nothing is to be told of it: it is here so that who looks at many of them can leave off. */
  readonly isPassedOver: boolean
}

/** What is told of one feed at a place. */
interface Found {
  sequence: SequenceId
  id: string
  deleted: boolean
  removed: string | undefined
  rev: string | undefined
  isAccount: boolean
  isPassedOver: boolean
}

interface Feed {
  next(): Found | undefined
  /** To be called when no more is read of it. */
  close?(): void
}

export interface ChangesWish {
  /** Channels; undefined: all that the reader has. */
  channels: readonly string[] | undefined
  activeOnly: boolean
}

/**
 * Rows behind `since`, as of now: to be taken to their end, or left, before anything is awaited. `reader` null is an
 * administrator.
 */
export function* changeRows(
  source: ChangeSource,
  reader: Reader | null,
  { channels, activeOnly }: ChangesWish,
  since: SequenceId,
): Generator<ChangeRow> {
  const heap = new Heap<{ feed: Feed; found: Found; order: number }>((a, b) =>
    isSame(a.found.sequence, b.found.sequence)
      ? a.order < b.order
      : isBefore(a.found.sequence, b.found.sequence),
  )
  const open = [...feeds(source, reader, channels, since)]
  try {
    for (const [order, feed] of open.entries()) {
      const found = feed.next()
      if (found !== undefined) heap.add({ feed, found, order })
    }
    for (let first = heap.takeFirst(); first !== undefined; first = heap.takeFirst()) {
      const { sequence } = first.found
      const together = [first]
      while (heap.first !== undefined && isSame(heap.first.found.sequence, sequence))
        together.push(heap.takeFirst()!)
      const row = merged(together.map(({ found }) => found))
      const isActive = row.isAccount || (!row.deleted && row.removed === undefined)
      yield activeOnly && !isActive ? { ...row, isPassedOver: true } : row
      for (const each of together) {
        const found = each.feed.next()
        if (found !== undefined) heap.add({ ...each, found })
      }
    }
  } finally {
    for (const feed of open) feed.close?.()
  }
}

function merged(together: readonly Found[]): ChangeRow {
  const told = together.filter(({ isPassedOver }) => !isPassedOver)
  const found = told.length === 0 ? together : told
  const removed = found.flatMap((each) => each.removed ?? [])
  // A document that left some of the reader's channels and is in another one has not left.
  const current = found.find((each) => each.removed === undefined)
  return { ...(current ?? found[0]!), removed: current === undefined ? removed : undefined }
}

function* feeds(
  source: ChangeSource,
  reader: Reader | null,
  wished: readonly string[] | undefined,
  since: SequenceId,
): Generator<Feed> {
  const channels = new Map(channelsOf(reader, wished))
  for (const [channel, added] of channels) {
    yield channel === ALL_CHANNELS
      ? new DocumentsFeed(source, reader === null, added, since)
      : new ChannelFeed(source, channels, channel, since)
  }
  if (reader !== null) yield accountFeed(reader, since)
}

/** Channels to be read, each with the sequence since which the reader has it. */
function channelsOf(
  reader: Reader | null,
  wished: readonly string[] | undefined,
): Iterable<[string, number]> {
  if (reader === null) {
    const names = wished === undefined || wished.includes(ALL_CHANNELS) ? [ALL_CHANNELS] : wished
    return names.map((name) => [name, 0])
  }
  if (wished === undefined || wished.includes(ALL_CHANNELS)) return reader.channels
  const all = reader.channels.get(ALL_CHANNELS)
  return [...new Set(wished)]
    .filter((name) => mayReadChannel(reader, name))
    .map((name) => [name, Math.min(reader.channels.get(name) ?? all!, all ?? Number.POSITIVE_INFINITY)])
}

/** The channels that a pass reads; undefined where any change may be told. */
export function channelsRead(
  reader: Reader | null,
  wished: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  const names = new Set([...channelsOf(reader, wished)].map(([name]) => name))
  return names.has(ALL_CHANNELS) ? undefined : names
}

/** Where a channel is read from that the reader has since `added`. */
function placeOf(added: number, since: SequenceId): number {
  if (added > since.major) return 0
  if (since.minor === undefined) return since.major
  // In the middle of what another grant opened, everything from that grant on is still to come.
  return added === since.major ? since.minor : since.major - 1
}

function sequenceOf(seq: number, added: number, since: SequenceId): SequenceId {
  // Who has seen the grant, and all that it opened, sees changes by their own numbers.
  const isOpened =
    seq < added && (added > since.major || (added === since.major && since.minor !== undefined))
  return isOpened ? { major: added, minor: seq } : { major: seq, minor: undefined }
}

class ChannelFeed implements Feed {
  readonly #source: ChangeSource
  /** All that are read, with the sequences since which the reader has them. */
  readonly #channels: ReadonlyMap<string, number>
  readonly #channel: string
  readonly #added: number
  readonly #since: SequenceId
  readonly #cursor: ChannelCursor | undefined
  readonly #last: number

  constructor(
    source: ChangeSource,
    channels: ReadonlyMap<string, number>,
    channel: string,
    since: SequenceId,
  ) {
    const added = channels.get(channel)!
    this.#source = source
    this.#channels = channels
    this.#channel = channel
    this.#added = added
    this.#since = since
    this.#cursor = source.channels.cursor(channel, placeOf(added, since))
    this.#last = source.indexedSeq
  }

  next(): Found | undefined {
    const entry = this.#cursor?.next()
    // What is durable and not yet acknowledged is told with the next pass.
    if (entry === undefined || entry.seq > this.#last) return undefined
    const { id, seq, removal } = entry
    const sequence = sequenceOf(seq, this.#added, this.#since)
    if (removal !== undefined) {
      const { rev, deleted } = removal
      const isPassedOver = this.#isStillSeen(id)
      return { sequence, id, deleted, removed: this.#channel, rev, isAccount: false, isPassedOver }
    }
    const row = this.#source.database.lookup(id)
    // What was written since is told at its new place, once the index has it.
    const isPassedOver = row?.document().localSeq !== seq
    const { deleted = false, rev } = row ?? {}
    return { sequence, id, deleted, removed: undefined, rev, isAccount: false, isPassedOver }
  }

  close(): void {
    this.#cursor?.close()
  }

  /**
   * Whether the document is in another channel that is read. Then its row there is all that is told of it: that it left a
   * channel may be told later than that, by a grant, and who hears it would let go of what he has.
   */
  #isStillSeen(id: string): boolean {
    if (this.#channels.has(ALL_CHANNELS)) return true
    const state = this.#source.stateOf(id)
    for (const [name, removal] of state?.channels ?? []) {
      if (removal === undefined && this.#channels.has(name)) return true
    }
    return false
  }
}

/** All documents; with all accounts for administrators. */
class DocumentsFeed implements Feed {
  readonly #source: ChangeSource
  readonly #rows: ReturnType<Database['changes']>['rows']
  readonly #last: number
  readonly #withAccounts: boolean
  readonly #added: number
  readonly #since: SequenceId

  constructor(source: ChangeSource, withAccounts: boolean, added: number, since: SequenceId) {
    // The database takes a number of the future for one of another history.
    const place = Math.min(placeOf(added, since), source.indexedSeq)
    this.#source = source
    this.#rows = source.database.changes({ since: place }).rows
    this.#last = source.indexedSeq
    this.#withAccounts = withAccounts
    this.#added = added
    this.#since = since
  }

  next(): Found | undefined {
    for (let row = this.#rows.next(); row.done !== true; row = this.#rows.next()) {
      const { id, seqNumber, deleted, revs } = row.value
      if (seqNumber > this.#last) return undefined
      const sequence = sequenceOf(seqNumber, this.#added, this.#since)
      const account = this.#source.accountOf(id)
      if (account === undefined) {
        const told = { removed: undefined, rev: revs[0]!, isAccount: false, isPassedOver: false }
        return { sequence, id, deleted, ...told }
      }
      if (!this.#withAccounts || deleted || account === null) continue
      const told = { removed: undefined, rev: '', isAccount: true, isPassedOver: false }
      return { sequence, id: account, deleted: false, ...told }
    }
    return undefined
  }

  close(): void {
    this.#rows.return?.()
  }
}

/** The reader's own account, if it has changed. */
function accountFeed(reader: Reader, since: SequenceId): Feed {
  const sequence: SequenceId = { major: reader.seq, minor: undefined }
  let isTold = !isBefore(since, sequence) || reader.seq === 0
  return {
    next() {
      if (isTold) return undefined
      isTold = true
      const name = reader.name === GUEST ? GUEST_LABEL : reader.name
      return {
        sequence,
        id: `_user/${name}`,
        deleted: false,
        removed: undefined,
        rev: undefined,
        isAccount: true,
        isPassedOver: false,
      }
    },
  }
}
