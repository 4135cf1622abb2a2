import { DatabaseError, ERRORS } from '../../../base/errors.ts'
import type { DocumentEdit } from '../../../database/api/database.ts'
import { bulkEdits, parseAll } from '../../../documents/bulk-edits.ts'
import { documentCheck, givenId } from '../../../documents/document-edit.ts'
import { isDesignId, requireIdFor } from '../../../documents/document-id.ts'
import type { Piece } from '../../../documents/piece.ts'
import { type ScannedDocument, scanDocumentsSteps } from '../../../json/documents.ts'
import { type Answer, json, jsonStream } from '../../answer/answer.ts'
import { knownError } from '../../answer/known-error.ts'
import { requireDatabaseAdmin } from '../../request/access.ts'
import type { Exchange } from '../../request/exchange.ts'
import { requestWriter } from '../../request/request-writer.ts'
import { isShortOfQuorum } from '../../request/writes.ts'
import type { Resource } from '../resource.ts'
import { packedBulkDocs } from './packed-bulk-docs.ts'

/** What is answered for one document; its place is the document's place in the request. */
type Outcome =
  | { ok: true; id: string; rev: string }
  | { id: string; rev?: string | undefined; error: string; reason: string }

const SHORT_LIST = 1000
/** Documents that are written all or not at all: they are one transaction, which is built in one turn of the writer's. */
const MOST_AT_ONCE = 10_000
const MEMBERS = ['new_edits', 'all_or_nothing', 'w']
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

/** `_bulk_docs`: every document is read and checked before any is written. */
async function bulkDocs(exchange: Exchange): Promise<Answer> {
  const text = await exchange.jsonTypedBody()
  const { maxBulkDocs, maxDocumentBytes } = exchange.limits
  const onDocument = (count: number): void => {
    if (count > maxBulkDocs) throw new DatabaseError('tooManyDocuments', String(maxBulkDocs))
  }
  const options = { members: MEMBERS, onDocument, check: documentCheck(maxDocumentBytes) }
  if (!isShortOfQuorum(exchange.query)) {
    const answer = await packedBulkDocs(exchange, requestWriter(exchange), text, options, (count) =>
      countRequest(exchange, count),
    )
    if (answer !== undefined) return answer
  }
  await exchange.catchUp()
  const scanned = await exchange.inTurns(scanDocumentsSteps(text, options))
  if (scanned === null) throw new DatabaseError('badRequest', 'Request body must be a JSON object')
  const { documents, members } = scanned
  if (documents === null) {
    const reason = members.has('docs')
      ? '`docs` parameter must be an array.'
      : 'POST body must include `docs` parameter.'
    throw new DatabaseError('badRequest', reason)
  }
  countRequest(exchange, documents.length)
  const isShort = isShortOfQuorum(exchange.query, members.get('w'))
  const newEdits = flagOf(members.get('new_edits'), true)
  if (newEdits === undefined) {
    // CouchDB reads the documents first and so names their faults first.
    await exchange.inTurns(parseAll(documents, exchange.limits))
    throw new DatabaseError('badRequest', '`new_edits` parameter must be a boolean.')
  }
  if (flagOf(members.get('all_or_nothing'), false) === true)
    return writeAll(exchange, documents, newEdits, isShort)
  const edits = await bulkEdits(exchange, exchange.uuids, documents, newEdits)
  const outcomes = await write(exchange, edits, newEdits)
  if (newEdits) return writtenAnswer(outcomes, isShort)
  const failures = outcomes.filter((outcome) => 'error' in outcome)
  return listed(201, failures)
}

function countRequest({ backend: { metrics, clock } }: Exchange, documents: number): void {
  metrics.count('couchdb.httpd.bulk_requests')
  metrics.observe('couchdb.httpd.bulk_docs', documents, clock.now())
}

/** A long list is printed as it is sent. */
function listed(status: number, outcomes: readonly Outcome[]): Answer {
  return outcomes.length <= SHORT_LIST ? json(status, outcomes) : jsonStream(status, outcomeTexts(outcomes))
}

function* outcomeTexts(outcomes: readonly Outcome[]): Generator<Piece> {
  let separator = '['
  for (const outcome of outcomes) {
    yield `${separator}${JSON.stringify(outcome)}`
    separator = ','
  }
  yield ']\n'
}

/** 202 where a document was written short of its quorum; each says so itself. */
function writtenAnswer(outcomes: Outcome[], isShort: boolean): Answer {
  const isAccepted = isShort && outcomes.some((outcome) => 'ok' in outcome)
  if (!isAccepted) return listed(201, outcomes)
  const told = outcomes.map((outcome) => ('ok' in outcome ? { ...outcome, accepted: true } : outcome))
  return listed(202, told)
}

/** Undefined for a text that is no boolean. */
function flagOf(text: Buffer | undefined, absent: boolean): boolean | undefined {
  if (text === undefined) return absent
  if (text.equals(TRUE)) return true
  return text.equals(FALSE) ? false : undefined
}

/** `all_or_nothing`, in our own sense: every document is written, or none is and each says why. */
async function writeAll(
  exchange: Exchange,
  documents: readonly (ScannedDocument | null)[],
  newEdits: boolean,
  isShort: boolean,
): Promise<Answer> {
  if (documents.length > MOST_AT_ONCE) throw new DatabaseError('tooManyDocuments', String(MOST_AT_ONCE))
  const refused = new Map<number, Outcome>()
  const edits: DocumentEdit[] = []
  for (const [index, scanned] of documents.entries()) {
    try {
      const [edit] = await bulkEdits(exchange, exchange.uuids, [scanned], newEdits)
      requireIdFor(exchange.database, edit!.id)
      if (isDesignId(edit!.id)) requireDatabaseAdmin(exchange)
      edits.push(edit!)
    } catch (error) {
      const { error: name, reason } = knownError(error)
      refused.set(index, { id: givenId(scanned?.special.get('_id')), error: name, reason })
    }
  }
  if (refused.size > 0) {
    const outcomes = documents.map(
      (scanned, index) => refused.get(index) ?? unwritten(givenId(scanned?.special.get('_id'))),
    )
    return json(400, outcomes)
  }
  const results = await requestWriter(exchange).update(edits, { newEdits, allOrNothing: true })
  const outcomes = results.map((result): Outcome => {
    if (result.ok) return { ok: true, id: result.id, rev: result.rev }
    const { error, reason } = result.refusal
    return { id: result.id, error, reason }
  })
  const isWritten = results.every((result) => result.ok)
  if (!isWritten) return json(409, outcomes)
  return newEdits ? writtenAnswer(outcomes, isShort) : json(201, [])
}

function unwritten(id: string): Outcome {
  const { error, reason } = ERRORS.notWritten
  return { id, error, reason }
}

async function write(exchange: Exchange, edits: DocumentEdit[], newEdits: boolean): Promise<Outcome[]> {
  const results = await requestWriter(exchange).update(edits, { newEdits })
  return results.map((result): Outcome => {
    if (result.ok) return { ok: true, id: result.id, rev: result.rev }
    const { id, rev, refusal } = result
    const { error, reason } = refusal
    return newEdits ? { id, error, reason } : { id, rev, error, reason }
  })
}

export const bulkDocsResources: Resource[] = [
  {
    route: 'db/_bulk_docs',
    endpoint: 'alone',
    body: 'documents',
    allow: 'POST',
    methods: { POST: bulkDocs },
  },
]
