/**
 * What somebody writes who sees his channels alone. What holds:
 * - The sync function decides who writes. It is asked when the other checks have passed, and again where these are.
 * - Whoever replaces a revision by its id may read it: else he could guess ids, which are hashes of what he may not read.
 * - A stub of an attachment stands for one of a revision that the writer may read: else he would get its bytes by a revision of
 *   his own.
 */
import { DatabaseError } from '../base/errors.ts'
import type { CheckedEdit, Database, DocumentEdit, EditCheck, EditResult } from '../database/api/database.ts'
import { editText } from '../design/edit-text.ts'
import { isDesignId, isLocalId } from '../documents/document-id.ts'
import { viewText } from '../documents/document-text.ts'
import { revisionOfPath } from '../documents/revision.ts'
import type { ChannelSight } from './channel-sight.ts'
import { channelRefusal } from './channelled-database.ts'
import { GatewayError } from './gateway-error.ts'
import { SeenDocuments } from './seen-documents.ts'

/** The database as such a user's edits go to it, with what checks them; nothing is to be shown of it. */
export function channelledWrites(database: Database, sight: ChannelSight): Database {
  const documents = new SeenDocuments(database, sight)
  const update: Database['update'] = async (edits, options = {}) => {
    const refusals = edits.map((edit) => refusalOf(documents, edit, options.newEdits !== false))
    const allowed = edits.filter((_, at) => refusals[at] === undefined)
    const isAll = allowed.length === edits.length
    if (options.allOrNothing === true && !isAll) {
      const unwritten = new DatabaseError('notWritten')
      return edits.map((edit, at) => refused(edit, refusals[at] ?? unwritten))
    }
    const check = channelCheck(documents, sight, options.check)
    const written = allowed.length === 0 ? [] : await database.update(allowed, { ...options, check })
    let next = 0
    return edits.map((edit, at) => {
      const refusal = refusals[at]
      return refusal === undefined ? written[next++]! : refused(edit, refusal)
    })
  }
  return new Proxy(database, {
    get(target, property) {
      if (property === 'update') return update
      if (property === 'updateInTurn') throw channelRefusal()
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function refused({ id, rev, revisions }: DocumentEdit, refusal: DatabaseError): EditResult {
  return { ok: false, id, rev: rev ?? (revisions && revisionOfPath(revisions)), refusal }
}

/** Undefined: it is for the checks to decide. */
function refusalOf(
  documents: SeenDocuments,
  { id, rev }: DocumentEdit,
  newEdits: boolean,
): DatabaseError | undefined {
  if (isDesignId(id) || isLocalId(id)) return channelRefusal()
  if (!newEdits || rev === undefined) return undefined
  return documents.revision(id, rev) === undefined ? new DatabaseError('conflict') : undefined
}

function channelCheck(
  documents: SeenDocuments,
  sight: ChannelSight,
  check: EditCheck | undefined,
): EditCheck {
  return {
    isNeeded: () => true,
    async look(edits) {
      const before = check?.isNeeded() ? await check.look(edits) : []
      return Promise.all(edits.map((edit, at) => before[at] ?? fault(documents, sight, edit)))
    },
  }
}

async function fault(
  documents: SeenDocuments,
  { sync, reader }: ChannelSight,
  checked: CheckedEdit,
): Promise<DatabaseError | undefined> {
  const { edit, parent } = checked
  const stub = edit.attachments?.find((each) => each.kind === 'stub')
  if (stub !== undefined && (parent === undefined || documents.revision(edit.id, parent.rev) === undefined)) {
    return new DatabaseError('missingStub', `Invalid attachment stub in ${edit.id} for ${stub.name}`)
  }
  const before = parent && viewText(parent)
  const user = { name: reader.name, roles: [...reader.roles.keys()], channels: [...reader.channels.keys()] }
  try {
    await sync.run({ document: editText(checked), before, user })
    return undefined
  } catch (error) {
    return refusalBySync(error)
  }
}

/** Rejects where it is not the document's fault. */
function refusalBySync(error: unknown): DatabaseError {
  if (!(error instanceof GatewayError)) throw error
  if (error.status === 503) throw new DatabaseError('serviceUnavailable', error.reason)
  return new DatabaseError(error.status === 401 ? 'unauthorized' : 'forbidden', error.reason)
}
