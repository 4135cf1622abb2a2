/**
 * The index of a gateway's database: entries beside the documents, written in the transaction of each write, so that neither a
 * crash nor a copy parts them. They follow from the documents' states alone. As notes of a database (see `notes.ts`):
 *
 * | name | value |
 * |---|---|
 * | `index/c/CHANNEL/SEQUENCE` | `[id]`: the document is in the channel since then, or `[id, rev, deleted]`: it left it there |
 * | `index/d/ID` | `[channels granted, roles granted, expiry]`, of documents that have any of it |
 *
 * A sequence is 12 hexadecimal digits. Each number of the sequence is of one write of one document, so it has one entry in a
 * channel at most.
 */
import { hash } from 'node:crypto'
import type { DocumentEdit } from '../database/api/database.ts'
import type { DocumentState, Removal } from './document-state.ts'
import { type Notes, noteEdit } from './notes.ts'
import type { TimedSet } from './timed-set.ts'

/** A document's state, and where it stands. */
export interface StateAt {
  state: DocumentState
  seq: number
  /** Unix time in seconds. */
  expiry: number | undefined
}

export interface ChannelEntry {
  readonly seq: number
  readonly id: string
  /** Undefined: the document is in the channel. */
  readonly removal: Removal | undefined
}

const CHANNELS = 'index/c/'
const DOCUMENTS = 'index/d/'
const SEQUENCE_DIGITS = 12
/** A half of a surrogate pair has no UTF-8 of its own. */
const PLAIN_NAME = /^[^/\0\p{Surrogate}]{1,64}$/u

type TimedLists = [string, [string, number][]][]
type StoredEntry = [id: string] | [id: string, rev: string, deleted: 0 | 1]
type StoredDocument = [access: TimedLists, roles: TimedLists, expiry: number | null]

/** What the names of a channel's entries begin with: no two channels share it. */
function placeOf(channel: string): string {
  const isPlain = PLAIN_NAME.test(channel)
  const name = isPlain ? `n${channel}` : `h${hash('sha256', Buffer.from(channel, 'utf16le'), 'hex')}`
  return `${CHANNELS}${name}/`
}

function digitsOf(seq: number): string {
  return seq.toString(16).padStart(SEQUENCE_DIGITS, '0')
}

function timedLists(map: ReadonlyMap<string, TimedSet>): TimedLists {
  return [...map].map(([name, set]) => [name, [...set]])
}

function timedMaps(lists: TimedLists): Map<string, TimedSet> {
  return new Map(lists.map(([name, entries]) => [name, new Map(entries)]))
}

/** The entries of a document, as texts by their names. */
function entriesOf(id: string, at: StateAt | undefined): Map<string, string> {
  const entries = new Map<string, string>()
  if (at === undefined) return entries
  const { state, seq, expiry } = at
  for (const [channel, removal] of state.channels) {
    const entry: StoredEntry = removal === undefined ? [id] : [id, removal.rev, removal.deleted ? 1 : 0]
    entries.set(placeOf(channel) + digitsOf(removal?.seq ?? seq), JSON.stringify(entry))
  }
  if (state.access.size > 0 || state.roles.size > 0 || expiry !== undefined) {
    const document: StoredDocument = [timedLists(state.access), timedLists(state.roles), expiry ?? null]
    entries.set(DOCUMENTS + id, JSON.stringify(document))
  }
  return entries
}

/** What takes the index along when a document goes from one state to another. */
export function indexEdits(
  id: string,
  before: StateAt | undefined,
  after: StateAt | undefined,
): DocumentEdit[] {
  const old = entriesOf(id, before)
  const edits: DocumentEdit[] = []
  for (const [name, text] of entriesOf(id, after)) {
    if (old.get(name) !== text) edits.push(noteEdit(name, text))
    old.delete(name)
  }
  for (const name of old.keys()) edits.push(noteEdit(name, undefined))
  return edits
}

/** The names of all entries. */
export function* indexNames(notes: Notes): Generator<string> {
  for (const prefix of [CHANNELS, DOCUMENTS]) for (const [name] of notes.notes(prefix)) yield name
}

/** What documents grant and when they expire: all of those that have any of it. */
export function* indexedDocuments(
  notes: Notes,
): Generator<[id: string, Pick<DocumentState, 'access' | 'roles'>, expiry: number | undefined]> {
  for (const [name, value] of notes.notes(DOCUMENTS)) {
    const [access, roles, expiry] = value as StoredDocument
    const granted = { access: timedMaps(access), roles: timedMaps(roles) }
    yield [name.slice(DOCUMENTS.length), granted, expiry ?? undefined]
  }
}

/** The entries of a channel behind `since`, upwards, as of now. To be taken to the end, or returned. */
export function* channelEntries(notes: Notes, channel: string, since: number): Generator<ChannelEntry> {
  const place = placeOf(channel)
  for (const [name, value] of notes.notes(place, digitsOf(since + 1))) {
    const seq = Number.parseInt(name.slice(place.length), 16)
    const [id, rev, deleted] = value as [id: string, rev?: string, deleted?: 0 | 1]
    yield { seq, id, removal: rev === undefined ? undefined : { seq, rev, deleted: deleted === 1 } }
  }
}
