/** Many documents in one request. */
import { setMaxListeners } from 'node:events'
import { randomHex } from '../../base/random.ts'
import { giveWay } from '../../base/time-slice.ts'
import { mayReadChannel } from '../../channels/reader.ts'
import type { Piece } from '../../documents/piece.ts'
import { type ScannedDocument, scanDocumentsSteps } from '../../json/documents.ts'
import { stringsText } from '../../json/writer.ts'
import { isObject } from '../config.ts'
import { documentParts, errorPart, mixedPart, mixedPieces } from '../document-answer.ts'
import { badRequest, GatewayError, knownFailure, missing, rowErrorName } from '../errors.ts'
import { isDocumentId, readCurrent, readRevision, type SeenRevision } from '../reads.ts'
import { normalRevision } from '../store/document-leaves.ts'
import { WritePlace } from '../store/write-order.ts'
import { type Answer, json, textJson } from './answer.ts'
import { newBoundary } from './document-routes.ts'
import type { Exchange } from './exchange.ts'
import { givenDocument, isWritableId, readDocument } from './given-document.ts'

const LOCAL = '_local/'
/** Documents of one request that are written side by side. */
const MOST_AT_ONCE = 64

interface FailedRow {
  id: string
  error: string
  reason: string
  status: number
}

type WrittenRow = { id: string; rev: string } | FailedRow | Omit<FailedRow, 'id'>

function failedRow(id: string, error: unknown): FailedRow {
  const known = knownFailure(error)
  if (known === undefined) throw error
  const { status, reason } = known
  return { id, error: rowErrorName(status), reason, status }
}

export async function postBulkDocs(exchange: Exchange): Promise<Answer> {
  const batch = await exchange.inTurns(
    scanDocumentsSteps(await exchange.jsonText(), { members: ['new_edits'] }),
  )
  if (batch === null) throw badRequest('Bad JSON')
  if (batch.documents === null) throw badRequest("missing 'docs' property")
  if (batch.documents.some((each) => each === null)) throw badRequest('Document body must be JSON')
  const isEdit = batch.members.get('new_edits')?.toString() !== 'false'
  const documents = batch.documents as readonly ScannedDocument[]
  const isLocal = (each: ScannedDocument): boolean => idOf(each).startsWith(LOCAL)
  // Every document's call of the sync function listens.
  setMaxListeners(0, exchange.gone)
  const rows = await inOrder(
    documents.filter((each) => !isLocal(each)),
    (each, place) => writeOne(exchange, each, isEdit, place),
  )
  for (const each of documents.filter(isLocal)) rows.push(await writeLocal(exchange, each))
  return json(rows, { status: 201 })
}

function idOf({ special }: ScannedDocument): string {
  const text = special.get('_id')
  return text?.[0] === 0x22 ? (JSON.parse(text.toString()) as string) : ''
}

/** Documents are written side by side, so that they share commits; those of one id one after the other. */
async function inOrder(
  documents: readonly ScannedDocument[],
  write: (document: ScannedDocument, place: WritePlace) => Promise<WrittenRow>,
): Promise<WrittenRow[]> {
  const rows: WrittenRow[] = []
  const last = new Map<string, Promise<unknown>>()
  for (let from = 0; from < documents.length; from += MOST_AT_ONCE) {
    let place: WritePlace | undefined
    const together = documents.slice(from, from + MOST_AT_ONCE).map((document) => {
      const own = new WritePlace(place)
      place = own
      const id = idOf(document)
      const before = id === '' ? undefined : last.get(id)
      const row = (before ?? Promise.resolve()).then(() => write(document, own)).finally(own.ended)
      if (id !== '')
        last.set(
          id,
          row.catch(() => undefined),
        )
      return row
    })
    rows.push(...(await Promise.all(together)))
    await giveWay()
  }
  return rows
}

async function writeOne(
  exchange: Exchange,
  scanned: ScannedDocument,
  isEdit: boolean,
  place: WritePlace,
): Promise<WrittenRow> {
  const { gateway, database, author, gone } = exchange
  const named = idOf(scanned)
  try {
    const read = readDocument(scanned, gateway.clock.now(), gateway.limits)
    if (!isEdit && read.history === undefined) throw badRequest('Bad _revisions')
    const isUnnamed = isEdit && typeof read.id !== 'string'
    if (isUnnamed && read.rev !== undefined) throw missing('No previous revision to replace')
    const id = isUnnamed ? randomHex(gateway.random, 16) : named
    if (!isWritableId(id)) throw badRequest('Invalid doc ID')
    const given = await givenDocument(gateway, database, id, read)
    const history = isEdit ? undefined : read.history
    return { id, rev: await database.write({ ...given, history }, author, gone, place) }
  } catch (error) {
    const { id, ...failure } = failedRow(named, error)
    // Who has given no name is told none.
    return named === '' ? failure : { id, ...failure }
  }
}

async function writeLocal(exchange: Exchange, scanned: ScannedDocument): Promise<WrittenRow> {
  const id = idOf(scanned)
  try {
    const text = scanned.special.get('_rev')?.toString()
    const rev = text?.startsWith('"') ? (JSON.parse(text) as string) : undefined
    return {
      id,
      rev: await exchange.database.local.put(id.slice(LOCAL.length), scanned.body, rev || undefined),
    }
  } catch (error) {
    return failedRow(id, error)
  }
}

export async function postBulkGet(exchange: Exchange): Promise<Answer> {
  const body = await exchange.json()
  if (!isObject(body)) throw badRequest('Bad JSON')
  if (!exchange.accepts('multipart/')) throw new GatewayError(406, 'Response is multipart')
  const { docs } = body
  if (!Array.isArray(docs)) throw badRequest("missing 'docs' property")
  const boundary = newBoundary(exchange)
  return {
    status: 200,
    headers: { 'Content-Type': `multipart/mixed; boundary="${boundary}"` },
    pieces: mixedPieces(boundary, bulkParts(exchange, docs)),
  }
}

function* bulkParts(exchange: Exchange, docs: readonly unknown[]): Generator<Iterable<Piece>> {
  for (const each of docs) yield bulkPart(exchange, each)
}

function bulkPart(exchange: Exchange, wish: unknown): Iterable<Piece> {
  const members = isObject(wish) ? wish : {}
  const id = typeof members['id'] === 'string' ? members['id'] : ''
  const rev = typeof members['rev'] === 'string' ? members['rev'] : undefined
  try {
    if (id === '' || (rev === undefined && (members['rev'] ?? undefined) !== undefined)) {
      throw badRequest('Invalid doc/rev ID in _bulk_get')
    }
    const since = textsOf(members['atts_since'])
    const from = textsOf(members['revs_from'])
    const { database, reader } = exchange
    const seen = readRevision(database, reader, id, rev)
    const parts = documentParts(
      seen,
      {
        attachmentsSince: exchange.flag('attachments') ? (since ?? []) : undefined,
        expiry: exchange.flag('show_exp'),
        revisions: exchange.history(from ?? since ?? []),
      },
      true,
    )
    return mixedPart(parts, seen, newBoundary(exchange))
  } catch (error) {
    const { error: name, reason, status } = failedRow(id, error)
    return errorPart(JSON.stringify({ error: name, id, reason, rev, status }))
  }
}

function textsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
    ? (value as string[])
    : undefined
}

/** Of how many generations below a revision a stored one may be its ancestor. */
const ANCESTOR_GENERATIONS = 100

export async function postRevsDiff(exchange: Exchange): Promise<Answer> {
  const body = await exchange.json()
  if (!isObject(body)) throw badRequest('Bad JSON')
  for (const revs of Object.values(body)) if (textsOf(revs) === undefined) throw badRequest('Bad JSON')
  const answer = new Map<string, unknown>()
  for (const [id, revs] of Object.entries(body)) {
    // Users put no design documents, whatever their replicators have.
    if (!exchange.isAdmin && id.startsWith('_design/')) continue
    const found = await missingOf(exchange, id, revs as string[])
    if (found !== undefined) answer.set(id, found)
    await giveWay()
  }
  return textJson(Object.fromEntries(answer))
}

async function missingOf(exchange: Exchange, id: string, revs: readonly string[]) {
  const { database } = exchange
  const leaves = isDocumentId(id) ? database.leaves(id)?.leaves : undefined
  if (revs.length === 0) return undefined
  if (leaves === undefined) return { missing: revs }
  const paths = leaves.map(({ view }) => ({ rev: view.rev, ...view.revisions() }))
  const stored = new Set(paths.flatMap(({ start, ids }) => ids.map((each, at) => `${start - at}-${each}`)))
  const unknown = revs.filter((rev) => !stored.has(normalRevision(rev) ?? ''))
  if (unknown.length === 0) return undefined
  const named = new Set(revs.map((rev) => normalRevision(rev)))
  const others = paths.filter(({ rev }) => !named.has(rev))
  const generations = new Set(unknown.map((rev) => Number(/^(\d{1,15})-/.exec(rev)?.[1] ?? 0)))
  const possible = new Set<string>()
  for (const generation of generations) {
    if (generation <= 1) continue
    for (const { rev, start, ids } of others) {
      if (start < generation && start >= generation - ANCESTOR_GENERATIONS) possible.add(rev)
      else if (start === generation && ids.length > 1) possible.add(`${start - 1}-${ids[1]}`)
    }
    await giveWay()
  }
  return possible.size === 0 ? { missing: unknown } : { missing: unknown, possible_ancestors: [...possible] }
}

export async function getAllDocs(exchange: Exchange): Promise<Answer> {
  return allDocs(exchange, exchange.list('keys', 'Bad keys'))
}

export async function postAllDocs(exchange: Exchange): Promise<Answer> {
  const body = await exchange.json()
  const keys = isObject(body) ? textsOf(body['keys']) : undefined
  if (keys === undefined) throw badRequest('Bad/missing keys')
  return allDocs(exchange, keys)
}

function allDocs(exchange: Exchange, keys: readonly string[] | undefined): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    pieces: allDocsPieces(exchange, keys),
    isJson: true,
  }
}

/** A key of the query: JSON, or as it stands. */
function keyOf(exchange: Exchange, name: string): string | undefined {
  const text = exchange.text(name)
  const quoted = text === undefined ? undefined : /^".*"$/s.exec(text)
  if (quoted === null || quoted === undefined) return text
  try {
    return JSON.parse(text!) as string
  } catch {
    return text
  }
}

async function* allDocsPieces(
  exchange: Exchange,
  keys: readonly string[] | undefined,
): AsyncGenerator<Piece, void, void> {
  const { database } = exchange
  const limit = exchange.count('limit') ?? Number.POSITIVE_INFINITY
  const updateSeq = database.indexedSeq
  let count = 0
  yield '{"rows":[\n'
  const rows = keys === undefined ? listedRows(exchange) : keyedRows(exchange, keys)
  for (const row of rows) {
    if (row !== undefined) {
      yield count === 0 ? '' : ',\n'
      yield* row
      count += 1
      if (count >= limit) break
    }
    await giveWay()
  }
  yield `],\n"total_rows":${count},"update_seq":${updateSeq}}\n`
}

/** Undefined for each document that is passed over. */
function* listedRows(exchange: Exchange): Generator<Piece[] | undefined> {
  const { database } = exchange
  for (const { id } of database.documents(keyOf(exchange, 'startkey'), keyOf(exchange, 'endkey'))) {
    const seen = seenOrFailure(exchange, id)
    yield 'status' in seen ? undefined : rowOf(exchange, id, seen, exchange.flag('update_seq'))
  }
}

function* keyedRows(exchange: Exchange, keys: readonly string[]): Generator<Piece[]> {
  for (const key of keys) {
    const seen = seenOrFailure(exchange, key)
    if ('status' in seen) {
      yield [JSON.stringify({ key, error: rowErrorName(seen.status), status: seen.status })]
    } else yield rowOf(exchange, key, seen, false)
  }
}

function seenOrFailure({ database, readerNow }: Exchange, id: string): SeenRevision | GatewayError {
  try {
    return readCurrent(database, readerNow(), id)
  } catch (error) {
    if (error instanceof GatewayError && (error.status === 403 || error.status === 404)) return error
    throw error
  }
}

function rowOf(exchange: Exchange, id: string, seen: SeenRevision, withSequence: boolean): Piece[] {
  const { view, record } = seen.revision
  const key = JSON.stringify(id)
  let value = `{"rev":${JSON.stringify(view.rev)}`
  if (exchange.flag('channels')) {
    const reader = exchange.readerNow()
    const channels = record.output.channels.filter((name) => mayReadChannel(reader, name)).sort()
    if (channels.length > 0) value += `,"channels":${stringsText(channels)}`
  }
  if (exchange.flag('access') && exchange.isAdmin) {
    const { access, roles } = record.output
    const granted = [
      ...access,
      ...[...roles].map(([name, list]): [string, string[]] => [`role:${name}`, list]),
    ]
    if (granted.length > 0) value += `,"access":${JSON.stringify(Object.fromEntries(granted))}`
  }
  const pieces: Piece[] = [`{"key":${key},"id":${key},"value":${value}}`]
  if (exchange.flag('include_docs')) {
    const wanted = exchange.flag('revs') ? { revisions: { from: [], limit: undefined } } : {}
    pieces.push(',"doc":', ...documentParts(seen, wanted, false).json)
  }
  if (withSequence) pieces.push(`,"update_seq":${view.localSeq}`)
  pieces.push('}')
  return pieces
}
