/**
 * What the gateway keeps of a revision, in the same bytes as its body, so that no crash can part them: the stored body is
 * the client's with one member more in front of all others, `_sync`, which no client can send (names that begin with `_` are
 * refused) and none is shown. It does not enter the revision id.
 *
 * A record has two parts. What the sync function said of this very revision decides who may read it. The state is the
 * whole document's after this write: in which channels it is, which ones it has left and where, and what it grants since
 * when; that of the revision that was written last is the document's. `stamp` tells which that is, among the leaves.
 */

import {
  type DocumentState,
  EMPTY_OUTPUT,
  EMPTY_STATE,
  type SyncOutput,
} from '../../channels/document-state.ts'
import type { StateAt } from '../../channels/index-entries.ts'
import type { TimedSet } from '../../channels/timed-set.ts'
import type { DocumentView } from '../../database/api/database.ts'

/** How the bytes of an attachment are packed, as its client said: they are kept and given as they came. */
export interface AttachmentPacking {
  readonly encoding: string
  /** Of what they unpack to, where that was said. */
  readonly length: number | undefined
}

/** What an attachment has that the database does not keep. */
export interface AttachmentNote {
  /** `sha1-` and base64. */
  digest: string
  /** The client said no content type. */
  isUntyped: boolean
  /** Undefined: they are not packed. */
  packing: AttachmentPacking | undefined
}

export interface RevisionRecord {
  /** Writes of the document so far. */
  stamp: number
  /** The number of this write in the update sequence. */
  seq: number
  output: SyncOutput
  state: DocumentState
  attachments: Map<string, AttachmentNote>
  /** Unix time in seconds. */
  expiry: number | undefined
  /** Revisions of the history that it came with; 0 for an edit. */
  historyLength: number
}

const PREFIX = Buffer.from('{"_sync":')
const EMPTY_BODY_BYTES = 2
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const CLOSE_BRACE = 0x7d
const COMMA = 0x2c

type StoredChannel = [name: string] | [name: string, seq: number, rev: string, deleted: 0 | 1]

type StoredAttachment = [
  name: string,
  digest: string,
  isUntyped: 0 | 1,
  encoding?: string,
  length?: number | null,
]

/** Lists, since a channel may be named `__proto__`. */
type StoredRecord = [
  stamp: number,
  seq: number,
  channels: string[],
  access: [string, string[]][],
  roles: [string, string[]][],
  state: StoredChannel[],
  granted: [string, [string, number][]][],
  appointed: [string, [string, number][]][],
  attachments: StoredAttachment[],
  expiry: number | null,
  historyLength: number,
]

function timedLists(map: ReadonlyMap<string, TimedSet>): [string, [string, number][]][] {
  return [...map].map(([name, set]) => [name, [...set]])
}

function timedMaps(lists: readonly [string, [string, number][]][]): Map<string, TimedSet> {
  return new Map(lists.map(([name, entries]) => [name, new Map(entries)]))
}

/** The bytes that are stored for `body`, the canonical text of an object. */
export function withRecord(record: RevisionRecord, body: Uint8Array): Buffer {
  const { output, state } = record
  const stored: StoredRecord = [
    record.stamp,
    record.seq,
    output.channels,
    [...output.access],
    [...output.roles],
    [...state.channels].map(
      ([name, removal]): StoredChannel =>
        removal === undefined ? [name] : [name, removal.seq, removal.rev, removal.deleted ? 1 : 0],
    ),
    timedLists(state.access),
    timedLists(state.roles),
    [...record.attachments].map(([name, { digest, isUntyped, packing }]): StoredAttachment => {
      const typed = isUntyped ? 1 : 0
      if (packing === undefined) return [name, digest, typed]
      return [name, digest, typed, packing.encoding, packing.length ?? null]
    }),
    record.expiry ?? null,
    record.historyLength,
  ]
  const text = Buffer.from(JSON.stringify(stored))
  if (body.length === EMPTY_BODY_BYTES) return Buffer.concat([PREFIX, text, Buffer.from('}')])
  return Buffer.concat([PREFIX, text, Buffer.from(','), body.subarray(1)])
}

/** Where the record ends that begins behind the prefix. */
function endOfRecord(bytes: Buffer): number {
  let depth = 0
  for (let at = PREFIX.length; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at += 1
      while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
    } else if (byte === OPEN_BRACKET) depth += 1
    else if (byte === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  throw new Error('a record of the gateway that does not end')
}

/** Undefined where the bytes are no body of the gateway's. */
function split(bytes: Buffer): { record: Buffer; body: Buffer } | undefined {
  if (!bytes.subarray(0, PREFIX.length).equals(PREFIX)) return undefined
  const end = endOfRecord(bytes)
  const record = bytes.subarray(PREFIX.length, end)
  if (bytes[end] === CLOSE_BRACE) return { record, body: Buffer.from('{}') }
  if (bytes[end] !== COMMA) throw new Error('a record of the gateway with something behind it')
  return { record, body: Buffer.concat([Buffer.from('{'), bytes.subarray(end + 1)]) }
}

function recordOf(text: Buffer): RevisionRecord {
  const [stamp, seq, channels, access, roles, state, granted, appointed, attachments, expiry, historyLength] =
    JSON.parse(text.toString()) as StoredRecord
  return {
    stamp,
    seq,
    output: { channels, access: new Map(access), roles: new Map(roles) },
    state: {
      channels: new Map(
        state.map(([name, left, rev, deleted]) => [
          name,
          left === undefined ? undefined : { seq: left, rev: rev!, deleted: deleted === 1 },
        ]),
      ),
      access: timedMaps(granted),
      roles: timedMaps(appointed),
    },
    attachments: new Map(
      attachments.map(([name, digest, isUntyped, encoding, length]): [string, AttachmentNote] => {
        const packing = encoding === undefined ? undefined : { encoding, length: length ?? undefined }
        return [name, { digest, isUntyped: isUntyped === 1, packing }]
      }),
    ),
    expiry: expiry ?? undefined,
    historyLength,
  }
}

const NO_RECORD: RevisionRecord = {
  stamp: 0,
  seq: 0,
  output: EMPTY_OUTPUT,
  state: EMPTY_STATE,
  attachments: new Map(),
  expiry: undefined,
  historyLength: 0,
}

/** A stored revision, and what the gateway knows of it. */
export interface RecordedRevision {
  readonly view: DocumentView
  readonly record: RevisionRecord
  /** The client's, as canonical JSON. */
  readonly body: Buffer
}

/** A revision of which the sync function said nothing is in no channel. */
export function recordedRevision(view: DocumentView): RecordedRevision {
  const bytes = view.body()
  const parts = split(bytes)
  if (parts === undefined) return { view, record: NO_RECORD, body: bytes }
  return { view, record: recordOf(parts.record), body: parts.body }
}

/** Of the leaf that was written last. */
export function stateAt({ view, record }: RecordedRevision): StateAt {
  const { state, seq, expiry } = record
  return { state, seq, expiry: view.deleted ? undefined : expiry }
}
