/** Documents as they come from a database, some at a time. */
import { copyBytes } from '../base/copy-bytes.ts'
import { restIfDue } from '../base/rest.ts'
import type { ChangeWalk } from '../database/read/derivation.ts'
import type { FollowedDatabase } from '../database/shared/followed-database.ts'
import type { IndexDefinition } from './api.ts'
import { giveMemoryBack, takeMemory } from './build-memory.ts'
import type { DocumentTexts } from './document-texts.ts'
import type { IndexState } from './index-record.ts'
import { canHaveRows } from './keys/row-key.ts'

/** As many documents cross into the sandbox at once: see `Scripting.map`. */
const MOST_DOCUMENTS = 1000
const MOST_BYTES = 1024 * 1024
/** The last document of a batch may go beyond its bytes. */
const ROOM_BYTES = 2 * MOST_BYTES
const NO_BYTES = Buffer.alloc(0)
const DESIGN_PREFIX = Buffer.from('_design/')

export interface BatchDocument {
  readonly id: Buffer
  /** It has no rows yet. */
  readonly isNew: boolean
}

/** Memory for the texts of one batch, which can be used again when nobody looks at them any more. */
export class TextRoom {
  #bytes = Buffer.from(takeMemory(ROOM_BYTES))
  #used = 0

  begin(): void {
    this.#used = 0
  }

  /** Nobody looks at texts in it any more. */
  release(): void {
    giveMemoryBack(this.#bytes.buffer as ArrayBuffer)
    this.#bytes = NO_BYTES
  }

  /** Where it does not suffice, other memory. */
  readonly take = (bytes: number): Buffer => {
    const end = this.#used + bytes
    if (end > this.#bytes.length) return Buffer.allocUnsafe(bytes)
    const room = this.#bytes.subarray(this.#used, end)
    this.#used = end
    return room
  }
}

/** What comes behind a state of an index. */
export interface Batch {
  /** Of the index with this batch. */
  readonly state: IndexState
  /** Documents that are mapped, and their texts. */
  readonly documents: readonly BatchDocument[]
  readonly texts: readonly Uint8Array[]
  /** Those that have no rows any more. */
  readonly rowless: readonly BatchDocument[]
  /** Changes that were read, also of documents that are not mapped. */
  readonly changes: number
  /** Changes that are left behind it. */
  readonly left: number
  /** As new as the database was. */
  readonly isLast: boolean
}

/** The database has forgotten purges that the index has not seen, or has not had changes that the index has. */
export class IndexOutdated extends Error {}

/** `room` is for the texts. Throws IndexOutdated. */
export function readBatch(
  database: FollowedDatabase,
  definition: IndexDefinition,
  { updateSeq, sequence, purgeSeq, newUpTo }: IndexState,
  documentTexts: DocumentTexts,
  room: TextRoom,
): Batch {
  const derivation = database.derivation()
  try {
    if (derivation.updateSeq < updateSeq || derivation.purgeSeq < purgeSeq) {
      throw new IndexOutdated('the index is newer than its database')
    }
    // Where parts of a first batch were written there are rows, though the index has no change as a whole.
    const isFirst = newUpTo === undefined
    if (updateSeq > 0 && !database.isOfHistory(sequence)) {
      throw new IndexOutdated('a copy of the database was put back since the index was built')
    }
    const isEmpty = isFirst || derivation.purgeSeq === purgeSeq
    if (!isEmpty && derivation.firstPurge > purgeSeq + 1) {
      throw new IndexOutdated('the database has forgotten what was purged since the index was built')
    }
    const knownNew = newUpTo ?? sequenceAt(database, derivation.updateSeq)
    const lastNew = database.isOfHistory(knownNew) ? Number.parseInt(knownNew, 10) : 0
    room.begin()
    const documents: BatchDocument[] = []
    const texts: Uint8Array[] = []
    const rowless: BatchDocument[] = []
    if (!isEmpty) {
      for (const id of derivation.goneBehind(purgeSeq)) rowless.push({ id: Buffer.from(id), isNew: false })
    }
    let changes = 0
    let bytes = 0
    let reached = updateSeq
    let isLast = true
    const walk = derivation.changesBehind(updateSeq)
    const { entry } = walk
    while (walk.next()) {
      if (changes >= MOST_DOCUMENTS || bytes >= MOST_BYTES) {
        isLast = false
        break
      }
      restIfDue()
      changes += 1
      reached = entry.seqNumber
      const id = idOf(entry)
      const document = { id, isNew: reached <= lastNew }
      if (entry.deleted || !isIndexed(definition, id) || !canHaveRows(id)) {
        if (!document.isNew) rowless.push(document)
        continue
      }
      const { text, bytesRead } = documentTexts.of(walk, id, room.take)
      bytes += bytesRead
      documents.push(document)
      texts.push(text)
    }
    const builtUpTo = isLast ? derivation.updateSeq : reached
    const state = {
      updateSeq: builtUpTo,
      sequence: sequenceAt(database, builtUpTo),
      purgeSeq: derivation.purgeSeq,
      newUpTo: knownNew,
    }
    const left = isLast ? 0 : derivation.countBehind(reached)
    return { state, documents, texts, rowless, changes, left, isLast }
  } finally {
    derivation.close()
  }
}

function sequenceAt(database: FollowedDatabase, seqNumber: number): string {
  return seqNumber === 0 ? '' : database.sequenceOf(seqNumber)
}

function idOf({ idBytes, idStart, idEnd }: ChangeWalk['entry']): Buffer {
  const id = Buffer.allocUnsafe(idEnd - idStart)
  copyBytes(idBytes, idStart, id, 0, id.length)
  return id
}

function isIndexed(definition: IndexDefinition, id: Buffer): boolean {
  const withDesignDocuments = definition.kind === 'views' && definition.withDesignDocuments
  return withDesignDocuments || !isOfDesign(id)
}

function isOfDesign(id: Buffer): boolean {
  for (let i = 0; i < DESIGN_PREFIX.length; i++) if (id[i] !== DESIGN_PREFIX[i]) return false
  return true
}
