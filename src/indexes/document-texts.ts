/**
 * Texts of documents as maps see them: with the leaves that lost, as in CouchDB, and, where it is known which members the maps look
 * at, without the others. Indexes of fields have the bodies as they are stored, where these suffice.
 */
import type { DerivedChange } from '../database/read/derivation.ts'
import { viewText } from '../documents/document-text.ts'
import { pickMembers } from '../json/members.ts'
import { stringText } from '../json/writer.ts'
import type { IndexDefinition } from './api.ts'
import { readsSpecialMembers } from './field-rows.ts'

const ALL_LEAVES = { conflicts: true, deletedConflicts: true }
const CLOSE = 0x7d
/** A character of two bytes of UTF-16 has three of UTF-8 at most. */
const MOST_BYTES_A_UNIT = 3
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
  #bodyRoom = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #room = Buffer.allocUnsafeSlow(INITIAL_BYTES)

  /** `members`: those that are looked at; undefined: any may be. */
  constructor(definition: IndexDefinition, members: ReadonlySet<string> | undefined) {
    this.#isBody = definition.kind === 'fields' && !readsSpecialMembers(definition)
    this.#withLocalSeq = definition.kind === 'views' && definition.withLocalSeq
    this.#withRevision = members?.has('_rev') ?? true
    const ofBody = members && [...members].filter((name) => name !== '_id' && name !== '_rev')
    this.#names = ofBody?.map((name) => Buffer.from(stringText(name)))
  }

  /** `room` gives memory for bodies that stay as they are. */
  of(change: DerivedChange, room: (bytes: number) => Buffer): DocumentText {
    const view = change.document()
    if (this.#isBody) {
      const text = view.bodyIn(room)
      return { text, bytesRead: text.length }
    }
    const names = this.#names
    if (names === undefined || !change.isPlain || this.#withLocalSeq) {
      const leaves = change.isPlain ? {} : ALL_LEAVES
      const text = viewText(view, { ...leaves, localSeq: this.#withLocalSeq })
      return { text, bytesRead: text.length }
    }
    const revision = this.#withRevision ? `,"_rev":"${view.rev}"` : ''
    const head = `{"_id":${stringText(view.id)}${revision}`
    const body = view.bodyIn(this.#takeBodyRoom)
    const picked = this.#roomFor(head.length * MOST_BYTES_A_UNIT + body.length + 1)
    let end = pickMembers(body, names, picked, picked.write(head))
    picked[end++] = CLOSE
    return { text: Buffer.from(picked.subarray(0, end)), bytesRead: body.length }
  }

  /** What the body of the document before lay in. */
  readonly #takeBodyRoom = (bytes: number): Buffer => {
    if (this.#bodyRoom.length < bytes) this.#bodyRoom = Buffer.allocUnsafeSlow(bytes)
    return this.#bodyRoom.subarray(0, bytes)
  }

  #roomFor(bytes: number): Buffer {
    if (this.#room.length < bytes) this.#room = Buffer.allocUnsafeSlow(bytes)
    return this.#room
  }
}
