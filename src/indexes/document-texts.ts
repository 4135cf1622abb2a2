/**
 * Texts of documents as maps see them: with the leaves that lost, as in CouchDB, and, where it is known which members the maps look
 * at, without the others. Indexes of fields have the bodies as they are stored, where these suffice.
 */
import { copyBytes } from '../base/copy-bytes.ts'
import type { ChangeWalk } from '../database/read/derivation.ts'
import { viewText } from '../documents/document-text.ts'
import { pickMembers } from '../json/members.ts'
import { stringText } from '../json/writer.ts'
import type { IndexDefinition } from './api.ts'
import { readsSpecialMembers } from './field-rows.ts'

const ALL_LEAVES = { conflicts: true, deletedConflicts: true }
const CLOSE = 0x7d
const ID_START = Buffer.from('{"_id":"')
const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const DELETE = 0x7f
const INITIAL_BYTES = 64 * 1024

/** A text, and how many bytes were read for it. */
export interface DocumentText {
  readonly text: Buffer
  readonly bytesRead: number
}

export class DocumentTexts {
  readonly #withLocalSeq: boolean
  /** Of the body, as they are written in it. Undefined: the whole text. */
  readonly #names: readonly Buffer[] | undefined
  readonly #withRevision: boolean
  readonly #isBody: boolean
  #head = Buffer.alloc(0)
  #room = Buffer.allocUnsafeSlow(INITIAL_BYTES)

  /** `members`: those that are looked at; undefined: any may be. */
  constructor(definition: IndexDefinition, members: ReadonlySet<string> | undefined) {
    this.#isBody = definition.kind === 'fields' && !readsSpecialMembers(definition)
    this.#withLocalSeq = definition.kind === 'views' && definition.withLocalSeq
    this.#withRevision = members?.has('_rev') ?? true
    const ofBody = members && [...members].filter((name) => name !== '_id' && name !== '_rev')
    this.#names = ofBody?.map((name) => Buffer.from(stringText(name)))
  }

  /** Of the present change, whose document has this id. `room` gives memory for texts that are made here. */
  of(walk: ChangeWalk, id: Buffer, room: (bytes: number) => Buffer): DocumentText {
    const { entry } = walk
    if (this.#isBody) {
      const { bytes, start, end } = entry.placeBody()
      const text = room(end - start)
      text.set(bytes.subarray(start, end))
      return { text, bytesRead: text.length }
    }
    const names = this.#names
    const hasAll = entry.leafCount === 1 && !entry.hasAttachments
    if (names === undefined || !hasAll || this.#withLocalSeq) {
      const leaves = hasAll ? {} : ALL_LEAVES
      const text = viewText(walk.change().document(), { ...leaves, localSeq: this.#withLocalSeq })
      return { text, bytesRead: text.length }
    }
    const headEnd = this.#writeHead(walk, id)
    const { bytes, start, end } = entry.placeBody()
    const picked = this.#roomFor(headEnd + end - start + 1)
    copyBytes(this.#head, 0, picked, 0, headEnd)
    let pickedEnd = pickMembers(bytes, start, end, names, picked, headEnd)
    picked[pickedEnd++] = CLOSE
    const text = room(pickedEnd)
    copyBytes(picked, 0, text, 0, pickedEnd)
    return { text, bytesRead: end - start }
  }

  /** Writes what stands before the members to `head`. Returns where it ends. */
  #writeHead(walk: ChangeWalk, id: Buffer): number {
    if (this.#withRevision || !isPlain(id)) {
      const { id: name, rev } = walk.change().document()
      const revision = this.#withRevision ? `,"_rev":"${rev}"` : ''
      this.#head = Buffer.from(`{"_id":${stringText(name)}${revision}`)
      return this.#head.length
    }
    const idEnd = ID_START.length + id.length
    if (this.#head.length <= idEnd) this.#head = Buffer.allocUnsafeSlow(2 * idEnd)
    copyBytes(ID_START, 0, this.#head, 0, ID_START.length)
    copyBytes(id, 0, this.#head, ID_START.length, id.length)
    this.#head[idEnd] = QUOTE
    return idEnd + 1
  }

  #roomFor(bytes: number): Buffer {
    if (this.#room.length < bytes) this.#room = Buffer.allocUnsafeSlow(bytes)
    return this.#room
  }
}

/** Whether the JSON text of the id is itself between quotes. */
function isPlain(id: Buffer): boolean {
  for (let i = 0; i < id.length; i++) {
    const byte = id[i]!
    if (byte < SPACE || byte >= DELETE || byte === QUOTE || byte === BACKSLASH) return false
  }
  return true
}
