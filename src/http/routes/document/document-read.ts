import { DatabaseError } from '../../../base/errors.ts'
import { randomHex } from '../../../base/random.ts'
import type { DocumentView, OpenRevision } from '../../../database/api/database.ts'
import type { AttachmentWish } from '../../../documents/attachment-wish.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import {
  type DocumentMembers,
  joinedText,
  plainAnswer,
  viewAnswer,
  viewPieces,
} from '../../../documents/document-text.ts'
import {
  jsonPart,
  openRevsPart,
  openRevsPieces,
  type Part,
  relatedDocument,
} from '../../../documents/multipart-writer.ts'
import { openRevisions } from '../../../documents/open-revisions.ts'
import type { Piece } from '../../../documents/piece.ts'
import { readRevision } from '../../../documents/revision.ts'
import {
  type Answer,
  bare,
  type Headers,
  jsonStream,
  jsonText,
  multipartStream,
  taggedBytes,
  taggedJson,
} from '../../answer/answer.ts'
import { accepts } from '../../request/accept.ts'
import type { Exchange } from '../../request/exchange.ts'
import { revisionTag } from '../../request/header-text.ts'
import { readRevisionsJson } from '../../request/parameters.ts'
import type { Query } from '../../request/query.ts'

/** The text of a longer document is not worth being one with its head (`listen/send.ts`), and is sent as it lies in memory. */
const MOST_PLAIN_BYTES = 12 * 1024

/** The parameters of a document's reads; the first malformed one is reported. */
interface ReadParameters extends DocumentMembers {
  rev: string | undefined
  openRevs: 'all' | string[] | undefined
  latest: boolean
  deleted: boolean
  attachments: AttachmentWish
}

const NO_PARAMETERS: ReadParameters = Object.freeze({
  rev: undefined,
  openRevs: undefined,
  latest: false,
  deleted: false,
  attachments: {},
})

/** Throws badRequest for malformed revisions, also where they will not be used. */
export function parseReadParameters(query: Query): ReadParameters {
  if (query.pairs.length === 0) return NO_PARAMETERS
  let rev: string | undefined
  let attsSince: string[] | undefined
  let openRevs: 'all' | string[] | undefined
  for (const [name, value] of query.pairs) {
    if (name === 'rev') rev = readRevision(value)
    else if (name === 'open_revs' && value === 'all') openRevs = 'all'
    else if (name === 'open_revs') openRevs = readRevisionsJson(value)
    else if (name === 'atts_since') attsSince = readRevisionsJson(value)
  }
  const meta = query.flag('meta')
  return {
    rev,
    openRevs,
    latest: query.flag('latest'),
    deleted: query.flag('deleted'),
    revs: query.flag('revs'),
    revsInfo: meta || query.flag('revs_info'),
    conflicts: meta || query.flag('conflicts'),
    deletedConflicts: meta || query.flag('deleted_conflicts'),
    localSeq: query.flag('local_seq'),
    expiry: query.flag('show_exp'),
    attachments: {
      data: query.flag('attachments') || attsSince !== undefined ? 'inline' : undefined,
      since: attsSince,
      encodingInfo: query.flag('att_encoding_info'),
    },
  }
}

/** GET and HEAD of a document. */
export function readDocument(exchange: Exchange): Answer {
  const parameters = parseReadParameters(exchange.query)
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  if (parameters.openRevs !== undefined) return readOpenRevisions(exchange, parameters.openRevs, parameters)
  const view = openView(exchange, parameters)
  // As in CouchDB, a revision asked for by name comes without what is known about the others.
  const { attachments, expiry } = parameters
  const wanted =
    parameters.rev === undefined
      ? parameters
      : { revs: parameters.revs === true, attachments, expiry: expiry === true }
  const etag = revisionTag(view.rev)
  if (attachments.data !== undefined && sentMultipart(exchange, view)) {
    return relatedAnswer(exchange, view, wanted, etag)
  }
  if (parameters === NO_PARAMETERS && etag !== undefined && !exchange.matchesEtag(etag)) {
    const text = plainAnswer(view, '\n', MOST_PLAIN_BYTES)
    if (text !== undefined)
      return typeof text === 'string' ? taggedBytes(text, etag) : taggedJson(200, text, etag)
  }
  const { pieces, hasMeta } = viewAnswer(view, wanted, '\n')
  if (!hasMeta && etag !== undefined && exchange.matchesEtag(etag)) return bare(304, { etag })
  if (pieces.length === 1 || attachments.data === undefined) {
    const text = joinedText(pieces)
    return hasMeta || etag === undefined ? jsonText(200, text) : taggedJson(200, text, etag)
  }
  return jsonStream(200, pieces.values(), hasMeta || etag === undefined ? {} : { etag })
}

function sentMultipart(exchange: Exchange, view: DocumentView): boolean {
  return accepts(exchange.header('accept'), 'multipart/related') && view.attachments().length > 0
}

function relatedAnswer(
  exchange: Exchange,
  view: DocumentView,
  wanted: DocumentMembers,
  etag: string | undefined,
): Answer {
  const related = relatedDocument(view, wanted, randomHex(exchange.backend.random, 16))
  const { boundary, pieces, bytes, hasMeta } = related
  if (!hasMeta && etag !== undefined && exchange.matchesEtag(etag)) return bare(304, { etag })
  const headers: Headers = {
    'content-type': boundary === undefined ? 'application/json' : `multipart/related; boundary="${boundary}"`,
    'content-length': String(bytes),
  }
  if (!hasMeta && etag !== undefined) headers['etag'] = etag
  return { kind: 'streamed', status: 200, headers, pieces: pieces.values() }
}

/** The revision that a request reads. Throws missing, deleted. */
export function openView(exchange: Exchange, parameters: ReadParameters): DocumentView {
  const { database, id } = exchange
  const { rev, latest, deleted } = parameters
  if (rev === undefined && deleted) {
    const row = database.lookup(id)
    if (row !== undefined) return row.document()
  }
  return database.get(id, rev === undefined ? {} : { rev, latest })
}

/** The answer to `open_revs`. */
export function readOpenRevisions(
  exchange: Exchange,
  revs: 'all' | string[],
  parameters: ReadParameters,
): Answer {
  const found = openRevisions(exchange.database, exchange.id, revs, parameters.latest)
  const { attachments } = parameters
  const wanted = { revs: parameters.revs === true, attachments, expiry: parameters.expiry === true }
  if (!accepts(exchange.header('accept'), 'multipart/mixed')) {
    return jsonStream(200, openPieces(found, wanted))
  }
  const boundary = randomHex(exchange.backend.random, 16)
  const inner = randomHex(exchange.backend.random, 16)
  return multipartStream(
    'multipart/mixed',
    boundary,
    openRevsPieces(boundary, openParts(found, wanted, inner)),
  )
}

function* openPieces(found: OpenRevision[], wanted: DocumentMembers): Generator<Piece> {
  let separator = '['
  for (const revision of found) {
    yield separator
    separator = ','
    if ('ok' in revision) {
      yield '{"ok":'
      yield* viewPieces(revision.ok, wanted)
      yield '}'
    } else {
      yield JSON.stringify({ missing: revision.missing })
    }
  }
  yield separator === '[' ? '[]\n' : ']\n'
}

function* openParts(found: OpenRevision[], wanted: DocumentMembers, boundary: string): Generator<Part> {
  for (const revision of found) {
    if ('ok' in revision) yield openRevsPart(revision.ok, wanted, boundary)
    else yield jsonPart(JSON.stringify({ missing: revision.missing }), true)
  }
}

const NEWLINE = Buffer.from('\n')

export function withNewline(text: Buffer): Buffer {
  return Buffer.concat([text, NEWLINE], text.length + 1)
}
