/**
 * Keeps what is known of a database's documents, and the index of its channels, as new as the database: in a file of its own,
 * in the thread that writes the database. What holds:
 * - All of it follows from the database and the sync function, but what a document has left and since when it grants something,
 *   which is kept as long as the file is.
 * - Documents are taken in the order of their changes. What a batch of them comes to is written in one transaction, with the place
 *   that it goes to: a crash costs the batches that were not committed, and the file never claims more than it has.
 * - A document of which nothing is known is in no channel.
 */
import { hash } from 'node:crypto'
import { DatabaseError } from '../base/errors.ts'
import { giveWay } from '../base/time-slice.ts'
import type { Database, DocumentEdit, DocumentView } from '../database/api/database.ts'
import { isDesignId } from '../documents/document-id.ts'
import { viewText } from '../documents/document-text.ts'
import {
  type DocumentRecord,
  RECORDS,
  type RecordedLeaf,
  recordName,
  recordOf,
  recordText,
} from './document-record.ts'
import { EMPTY_OUTPUT, EMPTY_STATE, nextState, type SyncOutput } from './document-state.ts'
import { GatewayError } from './gateway-error.ts'
import { GrantIndex } from './grant-index.ts'
import { indexEdits, indexedDocuments, indexNames, type StateAt } from './index-entries.ts'
import { Notes, noteEdit } from './notes.ts'
import { storedState } from './stored-state.ts'
import type { SyncFunction } from './sync-function.ts'

const POSITION = 'position'
/** How often what documents grant has changed. */
const GRANTS = 'grants'
const VERSION = 1
/** Documents that are taken together. */
const BATCH = 64
/** Of their bodies, beyond the last document's. */
const MOST_BYTES = 4 * 1024 * 1024
const MOST_EDITS = 1000
const HASH_DIGITS = 16
/** What is longer has no place among the notes: such a document is in no channel. */
const MOST_ID_BYTES = 32 * 1024

/** Up to where the database was taken, and which one. */
interface Position {
  version: number
  /** Of the database. */
  uuid: string
  /** Hash of the sync function. */
  sync: string
  seq: number
  /** The same as the database writes it. */
  sequence: string
  purgeSeq: string
}

interface Taken {
  readonly id: string
  readonly before: DocumentRecord | undefined
  readonly after: DocumentRecord | undefined
}

export class ChannelIndexer {
  readonly #notes: Notes
  readonly channelGrants = new GrantIndex()
  readonly roleGrants = new GrantIndex()
  #position: Position | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(index: Database) {
    this.#notes = new Notes(index)
  }

  /** `index` is the file's, which nobody else writes to but clients' own local documents. */
  static async open(index: Database): Promise<ChannelIndexer> {
    const indexer = new ChannelIndexer(index)
    indexer.#position = indexer.#notes.note(POSITION) as Position | undefined
    for (const [id, { access, roles }] of indexedDocuments(indexer.#notes)) {
      indexer.channelGrants.move(id, undefined, access)
      indexer.roleGrants.move(id, undefined, roles)
      await giveWay()
    }
    return indexer
  }

  get grantsVersion(): number {
    return grantsVersionOf(this.#notes)
  }

  /**
   * Resolves with the number of the last change that is in the index, when it has everything that the database has now. Rejects
   * with serviceUnavailable where the sandbox has no room, and when the signal is aborted.
   */
  catchUp(database: Database, sync: SyncFunction, signal: AbortSignal): Promise<number> {
    const done = this.#running.then(() => this.#catchUp(database, sync, signal))
    this.#running = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  async #catchUp(database: Database, sync: SyncFunction, signal: AbortSignal): Promise<number> {
    const wanted = database.updateSeqNumber
    const function_ = hashOf(sync)
    if (!this.#isOf(database)) await this.#clear()
    while (
      this.#position === undefined ||
      this.#position.sync !== function_ ||
      this.#position.seq < wanted ||
      this.#position.purgeSeq !== database.info().purgeSeq
    ) {
      signal.throwIfAborted()
      await this.#step(database, sync, function_, signal)
    }
    return this.#position.seq
  }

  /** Whether what is kept is of this database, and of its history. */
  #isOf(database: Database): boolean {
    const position = this.#position
    if (position === undefined) return false
    if (position.version !== VERSION || position.uuid !== database.uuid) return false
    return position.seq <= database.updateSeqNumber && database.isOfHistory(position.sequence)
  }

  /** The next documents, and what was purged. */
  async #step(database: Database, sync: SyncFunction, function_: string, signal: AbortSignal): Promise<void> {
    const position = this.#position
    const { purgeSeq } = database.info()
    const isPurged = position !== undefined && position.purgeSeq !== purgeSeq
    const purged = isPurged ? purgedBehind(database, position.purgeSeq, purgeSeq) : new Set<string>()
    if (purged === undefined) {
      await this.#clear()
      return
    }
    // Under another function all documents are taken anew; what they have left stays known.
    const since = position?.sync === function_ ? position.seq : 0
    const last = database.updateSeqNumber
    const { changed, end } = batchBehind(database, since)
    const seq = end ?? last
    // All of them are taken as they are in this turn: nothing of what is written later comes in.
    const ids = new Set([...purged, ...changed])
    const taken = await Promise.all(
      [...ids].map((id) => this.#take(database, sync, id, purged.has(id), signal)),
    )
    const edits = taken.flatMap(editsOf)
    const { uuid } = database
    const next: Position = {
      version: VERSION,
      uuid,
      sync: function_,
      seq,
      sequence: database.sequenceOf(seq),
      purgeSeq,
    }
    edits.push(noteEdit(POSITION, JSON.stringify(next)))
    if (taken.some(changesGrants)) edits.push(noteEdit(GRANTS, JSON.stringify(this.grantsVersion + 1)))
    await this.#notes.change(edits)
    this.#position = next
    for (const { id, before, after } of taken) {
      this.channelGrants.move(id, before?.state.access, after?.state.access)
      this.roleGrants.move(id, before?.state.roles, after?.state.roles)
    }
    await giveWay()
  }

  /** A document as it is now. What was said of a purged one is said anew: another revision may have the name of one of its own. */
  async #take(
    database: Database,
    sync: SyncFunction,
    id: string,
    isPurged: boolean,
    signal: AbortSignal,
  ): Promise<Taken> {
    const before = recordOf(this.#notes, id)
    const function_ = hashOf(sync)
    const winner = database.lookup(id)?.document()
    if (winner === undefined || isDesignId(id) || Buffer.byteLength(id) > MOST_ID_BYTES) {
      return { id, before, after: undefined }
    }
    const isKnown = !isPurged && before?.sync === function_
    const known = new Map(isKnown ? before.leaves.map((leaf) => [leaf.rev, leaf.output]) : [])
    const { localSeq: seq, rev, deleted } = winner
    const others = [...winner.conflicts(), ...winner.deletedConflicts()]
    const leaves: RecordedLeaf[] = [{ rev, output: await outputOf(database, sync, winner, signal) }]
    // One after the other: a document may have thousands, and each of their texts is in memory for its turn alone.
    for (const other of others) {
      const output = known.get(other)
      if (output !== undefined) leaves.push({ rev: other, output })
      else {
        for (const view of present(database, id, other))
          leaves.push({ rev: other, output: await outputOf(database, sync, view, signal) })
      }
    }
    const state = nextState(before?.state ?? EMPTY_STATE, leaves[0]!.output, { seq, rev, deleted })
    return { id, before, after: { seq, sync: function_, deleted, leaves, state } }
  }

  /** Forgets everything. */
  async #clear(): Promise<void> {
    this.#position = undefined
    const version = JSON.stringify(this.grantsVersion + 1)
    await this.#notes.change([noteEdit(POSITION, undefined), noteEdit(GRANTS, version)])
    for (const [id, { access, roles }] of indexedDocuments(this.#notes)) {
      this.channelGrants.move(id, access, undefined)
      this.roleGrants.move(id, roles, undefined)
    }
    for (let edits = this.#removals(); edits.length > 0; edits = this.#removals()) {
      await this.#notes.change(edits)
    }
  }

  /** Some of what takes everything away; none where there is nothing. */
  #removals(): DocumentEdit[] {
    const edits: DocumentEdit[] = []
    for (const name of this.#names()) {
      edits.push(noteEdit(name, undefined))
      if (edits.length === MOST_EDITS) break
    }
    return edits
  }

  *#names(): Generator<string> {
    yield* indexNames(this.#notes)
    for (const [name] of this.#notes.notes(RECORDS)) yield name
  }
}

/** What documents grant is what it was while that is the same. */
export function grantsVersionOf(notes: Notes): number {
  return (notes.note(GRANTS) as number | undefined) ?? 0
}

/** The purges up to which records are those of the database. */
export function purgeSeqOf(notes: Notes): string | undefined {
  return (notes.note(POSITION) as Position | undefined)?.purgeSeq
}

function changesGrants({ before, after }: Taken): boolean {
  const granted = (record: DocumentRecord | undefined): string => {
    const { access, roles } = storedState(record?.state ?? EMPTY_STATE)
    return JSON.stringify([access, roles])
  }
  return granted(before) !== granted(after)
}

function hashOf({ source }: SyncFunction): string {
  return hash('sha256', source, 'hex').slice(0, HASH_DIGITS)
}

/** Ids of the next documents, some of them and so many that their bodies have a bound. `end` undefined: there are no more. */
function batchBehind(database: Database, since: number): { changed: string[]; end: number | undefined } {
  const changed: string[] = []
  let bytes = 0
  for (const row of database.changes({ since, limit: BATCH }).rows) {
    changed.push(row.id)
    bytes += row.document().body().length
    if (changed.length === BATCH || bytes >= MOST_BYTES) return { changed, end: row.seqNumber }
  }
  return { changed, end: undefined }
}

function present(database: Database, id: string, rev: string): DocumentView[] {
  const [found] = database.openRevs(id, [rev])
  return found !== undefined && 'ok' in found ? [found.ok] : []
}

function at(record: DocumentRecord | undefined): StateAt | undefined {
  return record && { state: record.state, seq: record.seq, expiry: undefined }
}

function editsOf({ id, before, after }: Taken): DocumentEdit[] {
  if (before === undefined && after === undefined) return []
  const text = after === undefined ? undefined : recordText(after)
  return [...indexEdits(id, at(before), at(after)), noteEdit(recordName(id), text)]
}

/** Ids of documents that were purged since; undefined where some of these purges are forgotten. */
function purgedBehind(database: Database, before: string, now: string): Set<string> | undefined {
  const count = numberOf(now) - numberOf(before)
  const remembered = [...database.purgedInfos()]
  if (!(count >= 0 && count <= remembered.length)) return undefined
  return new Set(remembered.slice(remembered.length - count).map(({ id }) => id))
}

function numberOf(sequence: string): number {
  return Number.parseInt(sequence, 10)
}

/** What the function refuses is in no channel: somebody who may do more than it asks has written it. */
async function outputOf(
  database: Database,
  sync: SyncFunction,
  view: DocumentView,
  signal: AbortSignal,
): Promise<SyncOutput> {
  const { start, ids } = view.revisions()
  const [parent] = ids.length > 1 ? present(database, view.id, `${start - 1}-${ids[1]}`) : []
  const before = parent && viewText(parent)
  try {
    return await sync.run({ document: viewText(view), before, user: null }, signal)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    if (error.status === 503) throw new DatabaseError('serviceUnavailable', error.reason)
    return EMPTY_OUTPUT
  }
}
