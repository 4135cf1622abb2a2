/**
 * Edits of requests that write one document each, on their way to the writer's thread. To take each as a call, and as a
 * transaction of its own, costs both threads as much as all else that is done for it, so those that go with one message are
 * packed into one piece, hashed together, and written as one transaction. What holds:
 * - Each is answered as it would be alone, and they are written in the order in which they came.
 * - What ends the transaction ends none of them: then each goes alone, once.
 * - They were checked against the same: others begin another piece.
 * - A piece is one transaction, so no piece has more edits than one takes.
 */
import type { EditResult } from '../api/database.ts'
import type { RemoteWriter } from '../api/remote-writer.ts'
import { packed } from '../bodies/stored-text.ts'
import { idKey } from '../layout/layout.ts'
import { md5OfMany, PADDING_BYTES } from '../revisions/md5.ts'
import {
  completeTerm,
  HASH_ROOM_BEFORE,
  HASH_ROOM_BEHIND,
  type PlacedRevision,
  parseRevision,
  REVISION_ID_SIZE,
  type Revision,
} from '../revisions/revision-id.ts'
import type { CheckStamp } from '../write/checked-state.ts'
import type { EditContext } from '../write/edits.ts'
import type { PlacedEdit } from '../write/moved-content.ts'
import { EditPacker, MOST_KEY_BYTES } from '../write/packed-edits.ts'
import { decodePackedResults } from './result-codec.ts'

/** Longer bodies go alone, and bodies with longer terms: little is gained, and a piece is held in memory. */
const MOST_BODY_BYTES = 16 * 1024
const MOST_TERM_BYTES = 32 * 1024
/** However many come before a message goes: requests that waited for the same thing go on together. */
const MOST_EDITS = 256
/** Of a revision that is replaced: generations have 31 bits. */
const MOST_GENERATION = 0x7ffffffe
const FIRST_BYTES = 16 * 1024
/** Longer memory is not kept for the next piece. */
const MOST_KEPT_BYTES = 256 * 1024
/** Ids of other documents than ordinary ones begin with it. */
const UNDERSCORE = '_'

interface Waiting {
  readonly edit: PlacedEdit
  readonly context: EditContext
  readonly resolve: (result: EditResult | Promise<EditResult>) => void
  readonly reject: (error: unknown) => void
  /** Of its document, when the piece goes. */
  rev: string
}

/** What goes as one piece. */
class Piece {
  readonly stamp: CheckStamp | undefined
  readonly waiting: Waiting[] = []
  readonly packer: PieceMemory

  constructor(stamp: CheckStamp | undefined) {
    this.stamp = stamp
    this.packer = spare ?? new PieceMemory()
    spare = undefined
    this.packer.clear()
  }
}

/** Records of edits, and the terms that their revisions are the hashes of. */
class PieceMemory {
  readonly #packer = new EditPacker(FIRST_BYTES)
  #terms = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #termsLength = 0
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  /** Where each revision's id goes, and its generation. */
  readonly #idPlaces: number[] = []
  readonly #generations: number[] = []
  readonly #parent: { pos: number; id: { bytes: Buffer; at: number } } = {
    pos: 0,
    id: { bytes: this.#terms, at: 0 },
  }

  clear(): void {
    this.#packer.clear()
    this.#termsLength = 0
    this.#starts.length = 0
    this.#ends.length = 0
    this.#idPlaces.length = 0
    this.#generations.length = 0
  }

  get size(): number {
    return this.#packer.bytes.length + this.#terms.length
  }

  add(key: Buffer, body: Uint8Array, term: Uint8Array, parent: Revision | undefined): void {
    const packer = this.#packer
    const keyStart = packer.begin(key.length, body.length)
    const { bytes, idAt } = packer
    const bodyStart = keyStart + key.length
    bytes.set(key, keyStart)
    bytes.set(body, bodyStart)
    this.#addTerm(term, this.#place(parent))
    this.#idPlaces.push(idAt)
    const generation = (parent?.pos ?? 0) + 1
    this.#generations.push(generation)
    packer.end(generation, false, parent !== undefined, bodyStart + body.length)
  }

  #place(parent: Revision | undefined): PlacedRevision | undefined {
    if (parent === undefined) return undefined
    const { bytes, parentAt } = this.#packer
    bytes.write(parent.id, parentAt, 'latin1')
    const placed = this.#parent
    placed.pos = parent.pos
    placed.id.bytes = bytes
    placed.id.at = parentAt
    return placed
  }

  #addTerm(term: Uint8Array, parent: PlacedRevision | undefined): void {
    const start = this.#termsLength + HASH_ROOM_BEFORE
    const end = start + term.length
    const length = end + HASH_ROOM_BEHIND + PADDING_BYTES
    if (length > this.#terms.length) this.#grow(length)
    this.#terms.set(term, start)
    this.#starts.push(completeTerm(this.#terms, start, end, false, parent))
    this.#ends.push(end + HASH_ROOM_BEHIND)
    this.#termsLength = length
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#terms.length, length))
    this.#terms.copy(grown, 0, 0, this.#termsLength)
    this.#terms = grown
  }

  /** The edits with their revisions, which are told by number. */
  edits(onRevision: (number: number, rev: string) => void) {
    const { bytes } = this.#packer
    md5OfMany(this.#terms, this.#starts, this.#ends, (number, hash) => {
      const at = this.#idPlaces[number]!
      for (let i = 0; i < REVISION_ID_SIZE; i++) bytes[at + i] = hash[i]!
      onRevision(number, `${this.#generations[number]!}-${hash.toString('hex')}`)
    })
    return this.#packer.requests()
  }
}

/** Memory of the last piece that went. */
let spare: PieceMemory | undefined

export class GatheredEdits {
  readonly #writer: Pick<RemoteWriter, 'update' | 'join'>
  readonly #alone: (edit: PlacedEdit, context: EditContext) => Promise<EditResult>
  #piece: Piece | undefined

  /** `alone` writes an edit that is not gathered. */
  constructor(
    writer: Pick<RemoteWriter, 'update' | 'join'>,
    alone: (edit: PlacedEdit, context: EditContext) => Promise<EditResult>,
  ) {
    this.#writer = writer
    this.#alone = alone
  }

  /** Writes the edit; undefined where it is none such as are gathered. Throws illegal_docid. */
  write(edit: PlacedEdit, context: EditContext): Promise<EditResult> | undefined {
    if (!isPlain(edit, context)) return undefined
    const parent = parentOf(edit)
    if (parent === null) return undefined
    const key = idKey(edit.id)
    if (key.length > MOST_KEY_BYTES) return undefined
    const body = packed(edit.body, context.compression ?? 'none')
    return new Promise((resolve, reject) => {
      if (this.#piece !== undefined && !isSame(this.#piece.stamp, context.stamp)) this.send()
      const piece = this.#piece ?? new Piece(context.stamp)
      piece.packer.add(key, body, edit.term, parent)
      piece.waiting.push({ edit, context, resolve, reject, rev: '' })
      const isNew = piece !== this.#piece
      this.#piece = piece
      this.#writer.join(isNew ? () => this.#send(piece) : undefined)
      if (piece.waiting.length === MOST_EDITS) this.#send(piece)
    })
  }

  /** What was gathered goes now. To be called before anything else that keeps its place is said to the writer. */
  send(): void {
    if (this.#piece !== undefined) this.#send(this.#piece)
  }

  /** Does nothing for a piece that has gone. */
  #send(piece: Piece): void {
    if (this.#piece !== piece) return
    this.#piece = undefined
    const { packer, stamp, waiting } = piece
    let writing: Promise<Uint8Array>
    try {
      const edits = packer.edits((number, rev) => {
        waiting[number]!.rev = rev
      })
      edits.stamp = stamp
      writing = this.#writer.update(edits.bytes, { allOrNothing: false, callers: waiting.length })
    } catch (error) {
      writing = Promise.reject(error)
    }
    if (packer.size <= MOST_KEPT_BYTES) spare = packer
    writing
      .then((bytes) => settle(bytes, waiting))
      .catch((error: unknown) => {
        if (waiting.length === 1) waiting[0]!.reject(error)
        else for (const { edit, context, resolve } of waiting) resolve(this.#alone(edit, context))
      })
  }
}

/** Throws ByteFormatError, before anybody has been told. */
function settle(bytes: Uint8Array, waiting: readonly Waiting[]): void {
  const answers = decodePackedResults(bytes, waiting.length, (number) => waiting[number]!.edit.id)
  for (let i = 0; i < waiting.length; i++) {
    const { edit, rev, resolve } = waiting[i]!
    resolve(answers[i] ?? { ok: true, id: edit.id, rev })
  }
}

/** As a term has it: a zero with a sign, which the stored body has without, so that the writer could make another revision of it. */
const NEGATIVE_ZERO = Buffer.from('468000000000000000', 'hex')

/** Deletions go alone: they are written where others are refused, on a disk that is full. */
function isPlain(edit: PlacedEdit, { newEdits }: EditContext): boolean {
  const { id, deleted, body, term, attachments, expiry, checkedWithoutAncestor } = edit
  if (!newEdits || deleted || expiry !== undefined || checkedWithoutAncestor === true) return false
  if (attachments !== undefined && attachments.length > 0) return false
  if (id === '' || id.startsWith(UNDERSCORE)) return false
  if (body.length > MOST_BODY_BYTES || term.length > MOST_TERM_BYTES) return false
  return !Buffer.from(term.buffer, term.byteOffset, term.byteLength).includes(NEGATIVE_ZERO)
}

/** What the edit replaces; null for what is no usual revision, or none. */
function parentOf({ rev }: PlacedEdit): Revision | undefined | null {
  if (rev === undefined) return undefined
  try {
    const revision = parseRevision(rev)
    const isUsual = revision.id.length === REVISION_ID_SIZE && revision.pos >= 0
    return isUsual && revision.pos <= MOST_GENERATION ? revision : null
  } catch {
    return null
  }
}

function isSame(a: CheckStamp | undefined, b: CheckStamp | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.design === b.design && a.settings === b.settings
}
