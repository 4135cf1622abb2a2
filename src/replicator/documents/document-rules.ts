/**
 * What a document of a `_replicator` database must be, and who may write which: the rules that CouchDB has in
 * `couch_replicator_docs:before_doc_update`, in its words. What holds:
 * - A document has its owner's name in it, which the server writes, and only an administrator of the database writes another's.
 *   Beyond CouchDB's rule, nobody else changes or deletes a document that has an owner.
 * - A replication that makes no sense is refused, unless the document says that it has failed.
 * - Documents that are replicated come as they are, for their revision is given: somebody who is no administrator must have
 *   them in his own name, and they are examined where they are run.
 */
import { ANONYMOUS, isServerAdmin, type UserCtx } from '../../auth/user.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { CheckedEdit, DocumentEdit } from '../../database/api/database.ts'
import { parseJob, type ReplicationDefaults } from '../../replication/job-parser.ts'
import { documentFault } from './document-fault.ts'
import { parsedDocument, STATE, shortMembers, storedForm, withMembers } from './replicator-document.ts'

export interface DocumentAuthor {
  readonly user: UserCtx
  /** Of this database or of the server. */
  readonly isDatabaseAdmin: boolean
}

const LOOKED_AT: ReadonlySet<string> = new Set(['owner', STATE])
const OTHERS = "Can't update replication documents from other users."

/** The edit as it is to be stored. Rejects with forbidden. */
export async function ownedEdit(edit: DocumentEdit, author: DocumentAuthor): Promise<DocumentEdit> {
  if (edit.id.startsWith('_')) return edit
  const members = shortMembers(edit.body, LOOKED_AT)
  const owner = edit.deleted && members['owner'] === undefined ? author.user.name : members['owner']
  if (edit.revisions !== undefined) {
    if (!author.isDatabaseAdmin && (owner ?? null) !== author.user.name) {
      throw new DatabaseError('forbidden', OTHERS)
    }
    return edit
  }
  const owned = edit.deleted ? edit : await withOwner(edit, owner, author)
  if (edit.deleted) checkOwner(owner, author)
  else if (members[STATE] !== 'failed') examine(await parsedDocument(owned.body))
  return owned
}

/** Throws forbidden for what is no replication. */
function examine(document: Record<string, unknown>): void {
  try {
    parseJob(document, ANONYMOUS, ANY_DEFAULTS)
  } catch (error) {
    const fault = documentFault(error)
    throw fault === undefined ? error : new DatabaseError('forbidden', fault)
  }
}

/** What a document does not say is no fault of its. */
const ANY_DEFAULTS: ReplicationDefaults = {
  useCheckpoints: true,
  checkpointIntervalMs: 1,
  useBulkGet: true,
  workers: 1,
  batchSize: 1,
  connections: 1,
  timeoutMs: 1,
  retries: 0,
}

async function withOwner(edit: DocumentEdit, owner: unknown, author: DocumentAuthor): Promise<DocumentEdit> {
  const { name } = author.user
  if (owner === name && owner !== undefined) return edit
  if (owner === undefined || (owner === null && author.isDatabaseAdmin)) {
    const form = await storedForm(withMembers(edit.body, { owner: name }))
    return { ...edit, ...form }
  }
  checkOwner(owner, author)
  return edit
}

function checkOwner(owner: unknown, { user, isDatabaseAdmin }: DocumentAuthor): void {
  if (!isDatabaseAdmin && owner !== user.name) throw new DatabaseError('forbidden', OTHERS)
}

/** Why the edit is refused, whatever it says; undefined where it is not. */
export function ownerFault(
  { edit, parent }: CheckedEdit,
  { user, isDatabaseAdmin }: DocumentAuthor,
): DatabaseError | undefined {
  if (isDatabaseAdmin || isServerAdmin(user) || edit.id.startsWith('_')) return undefined
  if (parent === undefined || parent.deleted) return undefined
  const { owner } = shortMembers(parent.body(), LOOKED_AT)
  const isOwn = owner === undefined || owner === user.name
  return isOwn ? undefined : new DatabaseError('forbidden', OTHERS)
}
