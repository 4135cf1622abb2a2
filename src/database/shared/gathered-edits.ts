/**
 * Edits of requests that write one document each, on their way to the writer's thread. To take each as a call, and as a
 * transaction of its own, costs both threads as much as all else that is done for it, so those that go with one message are
 * packed into one piece and written as one transaction. What holds:
 * - Each is answered as it would be alone, and they are written in the order in which they came.
 * - What ends the transaction ends none of them: then each goes alone, once.
 * - They were checked against the same: others begin another piece.
 * - A piece is one transaction, so no piece has more edits than one takes.
 */
import type { EditResult } from '../api/database.ts'
import type { RemoteWriter } from '../api/remote-writer.ts'
import { formatRevision, REVISION_ID_SIZE } from '../revisions/revision-id.ts'
import type { CheckStamp } from '../write/checked-state.ts'
import type { DocumentEdits, ReadyEdit, ReadyEdits } from '../write/edits.ts'
import { EditPacker, MOST_KEY_BYTES } from '../write/packed-edits.ts'
import { decodePackedResults } from './result-codec.ts'

/** Longer bodies go alone: little is gained, and a piece is held in memory. */
const MOST_BODY_BYTES = 16 * 1024
/** However many come before a message goes: requests that waited for the same thing go on together. */
const MOST_EDITS = 256
/** Of a generation, which has 31 bits. */
const MOST_GENERATION = 0x7fffffff
const FIRST_BYTES = 16 * 1024
/** Longer memory is not kept for the next piece. */
const MOST_KEPT_BYTES = 256 * 1024

/** Memory of the last piece that went. */
let spare: EditPacker | undefined

interface Waiting {
  readonly ready: ReadyEdits
  readonly results: EditResult[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What goes as one piece. */
interface Piece {
  readonly packer: EditPacker
  readonly stamp: CheckStamp | undefined
  readonly waiting: Waiting[]
}

export class GatheredEdits {
  readonly #writer: Pick<RemoteWriter, 'update' | 'join'>
  readonly #alone: (ready: ReadyEdits, results: EditResult[]) => Promise<void>
  #piece: Piece | undefined

  /** `alone` writes edits that are not gathered, as `EditWriter.write`. */
  constructor(
    writer: Pick<RemoteWriter, 'update' | 'join'>,
    alone: (ready: ReadyEdits, results: EditResult[]) => Promise<void>,
  ) {
    this.#writer = writer
    this.#alone = alone
  }

  /** Writes the edits, as `alone`; undefined where they are not such as are gathered. */
  write(ready: ReadyEdits, results: EditResult[]): Promise<void> | undefined {
    const document = onlyDocument(ready)
    const edit = document?.edits[0]
    if (document === undefined || edit === undefined || !isPlain(edit)) return undefined
    return new Promise((resolve, reject) => {
      if (this.#piece !== undefined && !isSame(this.#piece.stamp, ready.stamp)) this.send()
      const piece = this.#piece ?? { packer: takePacker(), stamp: ready.stamp, waiting: [] }
      pack(piece.packer, document, edit)
      piece.waiting.push({ ready, results, resolve, reject })
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
      const edits = packer.requests()
      edits.stamp = stamp
      writing = this.#writer.update(edits.bytes, { allOrNothing: false, callers: waiting.length })
    } catch (error) {
      writing = Promise.reject(error)
    }
    if (packer.bytes.length <= MOST_KEPT_BYTES) spare = packer
    writing
      .then((bytes) => settle(bytes, waiting))
      .catch((error: unknown) => {
        if (waiting.length === 1) waiting[0]!.reject(error)
        else for (const each of waiting) this.#alone(each.ready, each.results).then(each.resolve, each.reject)
      })
  }
}

/** Throws ByteFormatError, before anybody has been told. */
function settle(bytes: Uint8Array, waiting: readonly Waiting[]): void {
  const answers = decodePackedResults(bytes, waiting.length, (at) => waiting[at]!.ready.documents[0]!.id)
  for (const [at, { ready, results, resolve }] of waiting.entries()) {
    const { id, edits } = ready.documents[0]!
    const { place, path } = edits[0]!
    results[place] = answers[at] ?? { ok: true, id, rev: formatRevision(path[0]!) }
    resolve()
  }
}

function takePacker(): EditPacker {
  const packer = spare ?? new EditPacker(FIRST_BYTES)
  spare = undefined
  packer.clear()
  return packer
}

function onlyDocument({ newEdits, documents, local, refused }: ReadyEdits): DocumentEdits | undefined {
  if (!newEdits || documents.length !== 1 || local.length > 0 || refused.length > 0) return undefined
  const document = documents[0]!
  if (document.design || document.edits.length !== 1 || document.key.length > MOST_KEY_BYTES) return undefined
  return document
}

/** Deletions go alone: they are written where others are refused, on a disk that is full. */
function isPlain(edit: ReadyEdit): boolean {
  const { deleted, body, validates, fault, path, parent, attachments, expiresAtMs } = edit
  if (deleted || validates || fault !== undefined || expiresAtMs !== undefined) return false
  if (attachments.length > 0 || edit.checkedWithoutAncestor || body.length > MOST_BODY_BYTES) return false
  const head = path[0]
  if (head === undefined || head.id.length !== REVISION_ID_SIZE) return false
  if (head.pos < 1 || head.pos > MOST_GENERATION) return false
  if (parent === undefined) return path.length === 1 && head.pos === 1
  return path.length === 2 && parent.id.length === REVISION_ID_SIZE && parent.pos === head.pos - 1
}

function pack(packer: EditPacker, { key }: DocumentEdits, { path, parent, body }: ReadyEdit): void {
  const keyStart = packer.begin(key.length, body.length)
  const { bytes } = packer
  const bodyStart = keyStart + key.length
  bytes.set(key, keyStart)
  bytes.set(body, bodyStart)
  const head = path[0]!
  bytes.write(head.id, packer.idAt, 'latin1')
  if (parent !== undefined) bytes.write(parent.id, packer.parentAt, 'latin1')
  packer.end(head.pos, false, parent !== undefined, bodyStart + body.length)
}

function isSame(a: CheckStamp | undefined, b: CheckStamp | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.design === b.design && a.settings === b.settings
}
