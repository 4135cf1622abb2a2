/** What the routes of design functions have in common: the function's design document, its document, what it is asked. */
import { DatabaseError } from '../../../base/errors.ts'
import type { DocumentView } from '../../../database/api/database.ts'
import { functionError } from '../../../design/script-failure.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import { isLocalId } from '../../../documents/document-id.ts'
import { localText, viewText } from '../../../documents/document-text.ts'
import type { Design } from '../../../scripting/design.ts'
import type { CallOptions } from '../../../scripting/scripting.ts'
import { wholeUsers } from '../../../users/user-view.ts'
import type { Exchange } from '../../request/exchange.ts'
import { functionRequest } from '../../request/function-request.ts'
import { goneSignal } from '../../request/gone-signal.ts'

/** Methods of functions that CouchDB calls by any. */
export const ANY_METHOD = ['GET', 'POST', 'PUT', 'DELETE', 'COPY', 'PATCH']

export interface OpenDesign {
  design: Design
  rev: string
}

/** The design document of the path, which must be there before anything else is said. Throws missing, deleted. */
export function openDesign(exchange: Exchange): OpenDesign {
  const view = designView(exchange, exchange.id)
  return { design: exchange.backend.designs.of(exchange.database, view), rev: view.rev }
}

/**
 * The same for a function over one document. As in CouchDB, whoever is let into `_users` may call one, although the design
 * document is for its administrators alone to read: they wrote the function, and it gets no document but as he sees it.
 * Throws missing, deleted.
 */
export function openCalledDesign(exchange: Exchange): OpenDesign {
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  const database = wholeUsers(exchange.database)
  const view = database.get(exchange.id)
  return { design: exchange.backend.designs.of(database, view), rev: view.rev }
}

/** Throws missing, deleted. */
export function designView(exchange: Exchange, id: string): DocumentView {
  if (!isUtf8(id)) throw new DatabaseError('missing')
  return exchange.database.get(id)
}

/** A path's parts behind the function's name are the document's id: undefined for none. */
export function calledId(parts: readonly string[]): string | undefined {
  return parts.length === 0 ? undefined : parts.join('/')
}

/** A document as functions see it; undefined where there is none. */
export function calledDocument(
  { database }: Exchange,
  id: string | undefined,
): { text: Buffer; rev: string } | undefined {
  if (id === undefined || !isUtf8(id)) return undefined
  if (isLocalId(id)) {
    const local = database.getLocal(id.slice('_local/'.length))
    return local && { text: localText(local), rev: local.rev }
  }
  try {
    const view = database.get(id)
    return { text: viewText(view, { revs: true, conflicts: true }), rev: view.rev }
  } catch (error) {
    if (error instanceof DatabaseError && (error.kind === 'missing' || error.kind === 'deleted'))
      return undefined
    throw error
  }
}

/** The request object as bytes. The body, where the request has one, is read for it. */
export async function calledRequest(exchange: Exchange, id?: string): Promise<Buffer> {
  const body = exchange.hasBody ? await exchange.body() : undefined
  return Buffer.from(JSON.stringify(functionRequest(exchange, { id, body })))
}

export function callOptions(exchange: Exchange): CallOptions {
  return { signal: goneSignal(exchange) }
}

/** `Content-Security-Policy` of what a function answers; undefined for none. */
export function functionPolicy({ limits }: Exchange): string | undefined {
  return limits.functionPolicyEnabled ? limits.functionPolicy : undefined
}

/** What a call comes to. Rejects with what whoever asked is told of its failure. */
export async function outcomeOf<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw functionError(error)
  }
}
