/** One document: read, written, deleted; and its attachments. */

import { randomHex } from '../../base/random.ts'
import { mayRead } from '../../channels/reader.ts'
import type { AttachmentView } from '../../database/api/database.ts'
import { isHeaderText } from '../../documents/characters.ts'
import type { Piece } from '../../documents/piece.ts'
import { revisionTag, toHeader } from '../../http/request/header-text.ts'
import { scanDocument, scanDocumentSteps } from '../../json/documents.ts'
import {
  documentParts,
  errorPart,
  mixedPart,
  mixedPieces,
  relatedPieces,
  type Wanted,
} from '../document-answer.ts'
import { badRequest, GatewayError, missing } from '../errors.ts'
import { findRevision, isDocumentId, readRevision, type SeenRevision } from '../reads.ts'
import type { GivenAttachment, NotedAttachment } from '../store/attachments.ts'
import { notedAttachments, takeBytes } from '../store/attachments.ts'
import { type Answer, empty, json, jsonPieces } from './answer.ts'
import { type Exchange, mediaType, parsedList } from './exchange.ts'
import { givenDocument, isWritableId, readDocument } from './given-document.ts'
import { readMultipartDocument } from './multipart-document.ts'

const BOUNDARY_BYTES = 16
const UNKNOWN_TYPE = 'application/octet-stream'
const SNIFFED_BYTES = 512
/** Tab, line breaks, form feed, escape. */
const TEXT_CONTROLS: readonly number[] = [0x09, 0x0a, 0x0c, 0x0d, 0x1b]

export function newBoundary({ gateway }: Pick<Exchange, 'gateway'>): string {
  return randomHex(gateway.random, BOUNDARY_BYTES)
}

function wantedOf(exchange: Exchange): Wanted {
  const since = exchange.list('atts_since')
  const from = exchange.list('revs_from')
  const attachmentsSince = exchange.flag('attachments') ? (since ?? []) : undefined
  return {
    revisions: exchange.history(from ?? since ?? []),
    attachmentsSince,
    expiry: exchange.flag('show_exp'),
  }
}

export async function getDocument(exchange: Exchange): Promise<Answer> {
  const wanted = wantedOf(exchange)
  const openRevs = exchange.text('open_revs')
  if (openRevs !== undefined) return getOpenRevisions(exchange, openRevs, wanted)
  const { database, reader } = exchange
  const seen = readRevision(database, reader, exchange.param(1), exchange.text('rev'))
  const headers = tagOf(seen.revision.view.rev)
  const hasBodies =
    wanted.attachmentsSince !== undefined && !seen.isRedacted && seen.revision.view.attachments().length > 0
  if (exchange.accepts('multipart/') && (hasBodies || !exchange.accepts('application/json'))) {
    const boundary = newBoundary(exchange)
    return {
      status: 200,
      headers: { ...headers, 'Content-Type': `multipart/related; boundary="${boundary}"` },
      pieces: relatedPieces(documentParts(seen, wanted, true), boundary),
    }
  }
  return jsonPieces(documentParts(seen, wanted, false).json, headers)
}

/** With all attachments, as Sync Gateway does it: whoever asks for revisions so is a replicator. */
function getOpenRevisions(exchange: Exchange, text: string, asked: Wanted): Answer {
  const { database, reader } = exchange
  const wanted: Wanted = { ...asked, attachmentsSince: [] }
  const id = exchange.param(1)
  const revs = text === 'all' ? undefined : parsedList(text)
  if (text !== 'all' && revs === undefined) throw badRequest('bad open_revs')
  const leaves = isDocumentId(id) ? database.leaves(id)?.leaves : undefined
  if (leaves === undefined && revs === undefined) throw missing()
  const found: (SeenRevision | { missing: string })[] =
    revs === undefined
      ? leaves!.map((revision, at) => {
          const isRedacted = !mayRead(reader, revision.record.output.channels)
          return { revision, isRedacted, isCurrent: at === 0 }
        })
      : revs.map((rev) => findRevision(database, reader, id, rev) ?? { missing: rev })
  const wantedOf = (seen: SeenRevision): Wanted =>
    // What came with its history is answered with it, as Sync Gateway does.
    seen.revision.record.historyLength > 0 && !seen.isRedacted
      ? { revisions: { from: [], limit: seen.revision.record.historyLength }, ...definedOf(wanted) }
      : wanted
  if (!exchange.accepts('multipart/')) {
    return jsonPieces(openRevisionsJson(found, wantedOf))
  }
  const boundary = newBoundary(exchange)
  const parts = found.map((each) =>
    'missing' in each
      ? errorPart(JSON.stringify(each))
      : mixedPart(documentParts(each, wantedOf(each), true), each, newBoundary(exchange)),
  )
  return {
    status: 200,
    headers: { 'Content-Type': `multipart/mixed; boundary="${boundary}"` },
    pieces: mixedPieces(boundary, parts),
  }
}

function definedOf(wanted: Wanted): Wanted {
  const { revisions, ...rest } = wanted
  return revisions === undefined ? rest : wanted
}

function* openRevisionsJson(
  found: readonly (SeenRevision | { missing: string })[],
  wantedOf: (seen: SeenRevision) => Wanted,
): Generator<Piece> {
  let separator = '['
  for (const each of found) {
    if ('missing' in each) yield `${separator}${JSON.stringify(each)}`
    else {
      yield `${separator}{"ok":`
      yield* documentParts(each, wantedOf(each), false).json
      yield '}'
    }
    separator = ',\n'
  }
  yield separator === '[' ? '[]' : ']'
}

function written(id: string, rev: string, status: number, headers: Record<string, string> = {}): Answer {
  return json({ id, ok: true, rev }, { status, headers })
}

export async function putDocument(exchange: Exchange): Promise<Answer> {
  const id = exchange.param(1)
  if (!isWritableId(id)) throw badRequest('Invalid doc ID')
  const { gateway, database } = exchange
  const { read, followed } = await readBody(exchange)
  const given = await givenDocument(gateway, database, id, read, followed)
  if (exchange.query.get('new_edits') === 'false') {
    if (read.history === undefined) throw badRequest('Bad _revisions')
    const rev = await database.write({ ...given, history: read.history }, exchange.author, exchange.gone)
    return written(id, rev, 201)
  }
  const rev = await database.write(
    { ...given, rev: exchange.matchedRevision ?? read.rev },
    exchange.author,
    exchange.gone,
  )
  return written(id, rev, 201, tagOf(rev))
}

async function readBody(exchange: Exchange) {
  const type = exchange.header('content-type') ?? ''
  if (mediaType(type) === 'multipart/related') return readMultipartDocument(exchange, type)
  const text = await exchange.jsonText()
  const scanned = await exchange.inTurns(scanDocumentSteps(text))
  if (scanned === null)
    throw badRequest(text.toString().trim() === 'null' ? 'Document body is empty' : 'Bad JSON')
  return {
    read: readDocument(scanned, exchange.gateway.clock.now(), exchange.gateway.limits),
    followed: new Map<string, GivenAttachment>(),
  }
}

export async function postDocument(exchange: Exchange): Promise<Answer> {
  const { gateway, database } = exchange
  const { read, followed } = await readBody(exchange)
  if (read.rev !== undefined && read.rev !== '') throw missing('No previous revision to replace')
  const id = read.id === undefined || read.id === null ? randomHex(gateway.random, 16) : String(read.id)
  if (!isWritableId(id)) throw badRequest('Invalid doc ID')
  const given = await givenDocument(gateway, database, id, read, followed)
  const rev = await database.write(given, exchange.author, exchange.gone)
  return written(id, rev, 200, { ...tagOf(rev), Location: encodeURIComponent(id) })
}

const DELETION = scanDocument(Buffer.from('{}'))!

export async function deleteDocument(exchange: Exchange): Promise<Answer> {
  const id = exchange.param(1)
  if (!isWritableId(id)) throw badRequest('Invalid doc ID')
  const { body, term } = DELETION
  const rev = exchange.matchedRevision
  const given = { id, deleted: true, body, term, rev, history: undefined, attachments: [], expiry: undefined }
  return written(id, await exchange.database.write(given, exchange.author, exchange.gone), 200)
}

export async function getAttachment(exchange: Exchange): Promise<Answer> {
  const { database, reader } = exchange
  const name = exchange.param(2)
  const seen = readRevision(database, reader, exchange.param(1), exchange.text('rev'))
  const attachments = seen.isRedacted ? [] : notedAttachments(seen.revision)
  const attachment = attachments.find((each) => each.name === name)
  if (attachment === undefined) throw missing(`missing attachment ${name}`)
  exchange.response.setHeader('Accept-Ranges', 'bytes')
  const range = rangeOf(exchange.header('range'), attachment.length)
  const headers: Record<string, string> = {
    Etag: `"${attachment.digest}"`,
    'Content-Type': attachment.isUntyped ? await typeOf(attachment) : sentType(attachment.type),
    'Content-Length': String(range === undefined ? attachment.length : range.end - range.start),
    ...packingHeaders(exchange, attachment),
  }
  // A page of an administrator's browser must not run what a user has stored.
  if (exchange.isAdmin) headers['Content-Disposition'] = `attachment${fileName(name)}`
  if (range !== undefined)
    headers['Content-Range'] = `bytes ${range.start}-${range.end - 1}/${attachment.length}`
  const status = range === undefined ? 200 : 206
  return { status, headers: headers, pieces: bytesOf(attachment, range) }
}

/** With `content_encoding=false` the packed bytes are what is asked for, and no client between is to unpack them. */
function packingHeaders({ query }: Exchange, { packing }: NotedAttachment): Record<string, string> {
  if (packing === undefined) return {}
  const asked = query.get('content_encoding') || 'true'
  if (asked === 'true') return { 'Content-Encoding': packing.encoding }
  return { 'X-Content-Encoding': packing.encoding, 'Content-Type': 'application/gzip' }
}

/** The ETag of a revision; none where no header can have it, for a revision may be pushed with any text. */
function tagOf(rev: string): Record<string, string> {
  const Etag = revisionTag(rev)
  return Etag === undefined ? {} : { Etag }
}

/** A document says any type: one that no header can have is told as none that is known. */
function sentType(type: string): string {
  return toHeader(type) ?? UNKNOWN_TYPE
}

function fileName(name: string): string {
  return isHeaderText(name) ? `; filename=${toHeader(JSON.stringify(name))}` : ''
}

/** Text or not, by the beginning of the bytes: no more than that may be guessed, or a browser runs what it is not to. */
async function typeOf({ view, length }: NotedAttachment & { view: AttachmentView }): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of view.storedBytes(0, Math.min(length, SNIFFED_BYTES))) chunks.push(chunk)
  const isBinary = Buffer.concat(chunks).some((byte) => byte < 0x20 && !TEXT_CONTROLS.includes(byte))
  return isBinary ? UNKNOWN_TYPE : 'text/plain; charset=utf-8'
}

interface Range {
  start: number
  /** Exclusive. */
  end: number
}

/** Undefined: all of it. Throws 416. */
function rangeOf(header: string | undefined, length: number): Range | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  if (first === '' && Number(last) > 0 && length === 0) return undefined
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? length : Math.min(Number(last) + 1, length)
  if (start >= length) throw new GatewayError(416, '')
  if (start === 0 && end === length) return undefined
  return { start, end }
}

async function* bytesOf(
  { view }: NotedAttachment & { view: AttachmentView },
  range: Range | undefined,
): AsyncGenerator<Piece, void, void> {
  yield { [Symbol.asyncIterator]: () => view.storedBytes(range?.start, range?.end)[Symbol.asyncIterator]() }
}

export async function putAttachment(exchange: Exchange): Promise<Answer> {
  const { gateway, database, reader } = exchange
  const id = exchange.param(1)
  const name = exchange.param(2)
  if (!isWritableId(id)) throw badRequest('Invalid doc ID')
  const type = exchange.header('content-type') || 'application/octet-stream'
  const rev = exchange.matchedRevision
  const before = revisionBefore(() => readRevision(database, reader, id, rev))
  if (before?.isRedacted) throw missing('Document revision is not accessible')
  const { content, digest } = await takeBytes(
    database.database,
    name,
    exchange.source,
    gateway.limits.maxAttachmentBytes,
  )
  const revision = before?.revision
  const body = revision?.body ?? DELETION.body
  const { term } = scanDocument(body)!
  const kept = (revision === undefined ? [] : notedAttachments(revision)).filter((each) => each.name !== name)
  const attachments: GivenAttachment[] = [
    ...kept.map(
      (each): GivenAttachment => ({ kind: 'stub', name: each.name, digest: each.digest, fault: undefined }),
    ),
    { kind: 'content', name, type, packing: undefined, digest, content },
  ]
  const given = { id, deleted: false, body, term, rev, history: undefined, attachments, expiry: undefined }
  const newRev = await database.write(given, exchange.author, exchange.gone)
  return written(id, newRev, 201, tagOf(newRev))
}

/** Undefined where there is none. */
function revisionBefore(read: () => SeenRevision): SeenRevision | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) return undefined
    throw error
  }
}

export async function getLocalDocument(exchange: Exchange): Promise<Answer> {
  const name = exchange.param(1)
  const { rev, body } = exchange.database.local.get(name)
  const inner = body.subarray(1, body.length - 1).toString()
  const text = `{"_id":${JSON.stringify(`_local/${name}`)},"_rev":"${rev}"${inner === '' ? '' : `,${inner}`}}`
  return jsonPieces([text])
}

export async function putLocalDocument(exchange: Exchange): Promise<Answer> {
  const name = exchange.param(1)
  const scanned = await exchange.inTurns(scanDocumentSteps(await exchange.jsonText()))
  if (scanned === null) throw badRequest('Bad JSON')
  const given = scanned.special.get('_rev')?.toString()
  const rev = given?.startsWith('"') ? (JSON.parse(given) as string) : undefined
  const newRev = await exchange.database.local.put(name, scanned.body, rev || undefined)
  return written(`_local/${name}`, newRev, 201)
}

export async function deleteLocalDocument(exchange: Exchange): Promise<Answer> {
  await exchange.database.local.delete(exchange.param(1), exchange.text('rev'))
  return empty()
}

/** The document and what the gateway keeps of it, for administrators. */
export async function getRawDocument(exchange: Exchange): Promise<Answer> {
  const id = exchange.param(1)
  const leaves = isDocumentId(id) ? exchange.database.leaves(id) : undefined
  if (leaves === undefined) throw missing()
  const { winner, latest } = leaves
  const { state, seq } = latest.record
  const sync = {
    rev: winner.view.rev,
    sequence: seq,
    recent_sequences: [seq],
    history: leaves.leaves.map(({ view, record }) => ({
      rev: view.rev,
      revisions: view.revisions(),
      deleted: view.deleted,
      channels: record.output.channels,
    })),
    channels: Object.fromEntries([...state.channels].map(([name, removal]) => [name, removal ?? null])),
    access: Object.fromEntries([...state.access].map(([name, set]) => [name, Object.fromEntries(set)])),
    role_access: Object.fromEntries([...state.roles].map(([name, set]) => [name, Object.fromEntries(set)])),
  }
  const inner = winner.body.subarray(1, winner.body.length - 1).toString()
  const deleted = winner.view.deleted ? ',"_deleted":true' : ''
  return jsonPieces([`{"_sync":${JSON.stringify(sync)}${deleted}${inner === '' ? '' : `,${inner}`}}`])
}
