/** A database of this server that documents are written to, as a request of the job's owner would. */
import { isServerAdmin } from '../../auth/user.ts'
import { DatabaseError } from '../../base/errors.ts'
import { runInTurns, type Steps } from '../../base/time-slice.ts'
import type { Database, DocumentEdit, EditResult } from '../../database/api/database.ts'
import type { AttachmentEdit } from '../../database/layout/attachment-records.ts'
import { parseRevision } from '../../database/revisions/revision-id.ts'
import { requireIdFor, validateDocumentId } from '../../documents/document-id.ts'
import { documentWriter } from '../../writing/document-writer.ts'
import {
  type MissingRevisions,
  MissingStubError,
  type TargetEndpoint,
  type TransferredDocument,
  type WriteRefusal,
} from '../endpoint.ts'
import { LocalDatabase } from './local-database.ts'

/** A replicated edit needs no term: its revision id is given. */
const NO_TERM = new Uint8Array(0)

export class LocalTarget extends LocalDatabase implements TargetEndpoint {
  readonly takesPacked = true
  readonly takesDesigns = true

  async create(parameters: Readonly<Record<string, string>>): Promise<void> {
    try {
      // Others find out whether it is there.
      if (!isServerAdmin(this.owner)) return
      const { q, partitioned } = parameters
      await this.parts.databases.create(this.name, {
        shards: q === undefined ? undefined : Number(q),
        partitioned: partitioned === 'true',
      })
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'databaseExists') return
      throw this.failure(error)
    }
  }

  revsDiff(
    revisions: ReadonlyMap<string, readonly string[]>,
    signal: AbortSignal,
  ): Promise<readonly MissingRevisions[]> {
    return this.use((database) => runInTurns(diffSteps(database, revisions), () => signal.throwIfAborted()))
  }

  write(documents: readonly TransferredDocument[], signal: AbortSignal): Promise<readonly WriteRefusal[]> {
    return this.use(async (database) => {
      const refusals: WriteRefusal[] = []
      const edits: DocumentEdit[] = []
      const { settings } = this.parts
      for (const document of documents) {
        signal.throwIfAborted()
        try {
          requireWritable(
            database,
            document,
            settings.get('maxDocumentSize'),
            settings.get('maxDocumentIdLength'),
          )
          const edit = editOf(document)
          edits.push(
            document.attachments.length === 0 ? edit : await this.#withAttachments(database, edit, document),
          )
        } catch (error) {
          if (!(error instanceof DatabaseError) || error.status >= 500) throw error
          refusals.push(refusalOf(document, error))
        }
      }
      for (const result of await this.#update(database, edits)) {
        if (result.ok) continue
        const document = documents.find(
          ({ id, rev }) => id === result.id && (result.rev === undefined || rev === result.rev),
        )
        if (result.refusal.status >= 500) throw result.refusal
        if (document !== undefined) refusals.push(refusalOf(document, result.refusal))
      }
      return refusals
    })
  }

  async writeStreamed(document: TransferredDocument, signal: AbortSignal): Promise<WriteRefusal | undefined> {
    const [refusal] = await this.write([document], signal)
    return refusal
  }

  async #update(database: Database, edits: readonly DocumentEdit[]): Promise<readonly EditResult[]> {
    if (edits.length === 0) return []
    const writer = documentWriter(this.parts, database, { user: this.owner })
    try {
      return await writer.update(edits, { newEdits: false })
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.status >= 500) throw error
      if (error.kind === 'missingStub' && edits.length === 1) throw new MissingStubError()
      if (edits.length === 1) return [{ ok: false, id: edits[0]!.id, rev: undefined, refusal: error }]
      // One of them is refused: the others are not to suffer from it.
      const half = Math.ceil(edits.length / 2)
      const first = await this.#update(database, edits.slice(0, half))
      return [...first, ...(await this.#update(database, edits.slice(half)))]
    }
  }

  async #withAttachments(
    database: Database,
    edit: DocumentEdit,
    { attachments }: TransferredDocument,
  ): Promise<DocumentEdit> {
    const edits: AttachmentEdit[] = []
    const maxBytes = this.parts.settings.get('maxAttachmentSize')
    for (const { name, type, revpos, encoding, length, md5, bytes } of attachments) {
      if (bytes === undefined) {
        edits.push({ kind: 'stub', name, revpos })
        continue
      }
      // Stored as it came, so that its digest stays.
      const incoming = { name, encoding, length, md5, pack: undefined, maxBytes }
      const content = await database.takeAttachment(bytes(), incoming)
      edits.push({ kind: 'content', name, type, content, revpos })
    }
    return { ...edit, attachments: edits }
  }
}

function editOf({ id, deleted, body, revisions }: TransferredDocument): DocumentEdit {
  return { id, deleted, body, term: NO_TERM, revisions }
}

function* diffSteps(
  database: Database,
  revisions: ReadonlyMap<string, readonly string[]>,
): Steps<readonly MissingRevisions[]> {
  const found: MissingRevisions[] = []
  for (const [id, revs] of revisions) {
    const { missing, possibleAncestors } = yield* database.missingRevs(id, revs.map(parseRevision))
    if (missing.length > 0) found.push({ id, missing, possibleAncestors })
    yield
  }
  return found
}

function requireWritable(
  database: Database,
  { id, body }: TransferredDocument,
  mostBytes: number,
  mostIdBytes: number,
): void {
  validateDocumentId(id, mostIdBytes)
  requireIdFor(database, id)
  if (body.length > mostBytes) throw new DatabaseError('documentTooLarge', id)
}

function refusalOf({ id, rev }: TransferredDocument, { error, reason }: DatabaseError): WriteRefusal {
  return { id, rev, error, reason }
}
