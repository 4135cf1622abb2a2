import { DatabaseError } from '../../../base/errors.ts'
import { randomHex } from '../../../base/random.ts'
import type { Steps } from '../../../base/time-slice.ts'
import type { Database, OpenRevision } from '../../../database/api/database.ts'
import { isLocalId, requireIdFor, validateDocumentId } from '../../../documents/document-id.ts'
import { type DocumentMembers, viewPieces } from '../../../documents/document-text.ts'
import type { Gathered } from '../../../documents/gathered.ts'
import { addPiece, STEP_BYTES, STEP_ROWS, writeFound } from '../../../documents/listed-rows.ts'
import { bulkGetPart, bulkGetPieces, jsonPart, type Part } from '../../../documents/multipart-writer.ts'
import { openRevisions } from '../../../documents/open-revisions.ts'
import type { Piece, RowFiller } from '../../../documents/piece.ts'
import { readRevision } from '../../../documents/revision.ts'
import { FixedText } from '../../../documents/row-bytes.ts'
import { type Answer, type AnswerPiece, jsonStream, multipartStream } from '../../answer/answer.ts'
import { knownError } from '../../answer/known-error.ts'
import { accepts } from '../../request/accept.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** One wanted document, or what is wrong with the wish. */
type Wish =
  | { id: string; rev: string | undefined; attsSince: string[] | undefined }
  | { id: unknown; rev: unknown; error: string; reason: string }

interface Failure {
  id: unknown
  rev: unknown
  error: string
  reason: string
}

const REFUSED_PARAMETERS = new Set(['open_revs', 'new_edits', 'w', 'rev', 'atts_since'])

/** Of one document. */
const MOST_REVISIONS = 65_536
const STEP_REVISIONS = 512

/** The forms beside JSON; the first that the client takes. */
const MULTIPART_TYPES = ['multipart/mixed', 'multipart/related'] as const

async function bulkGet(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const { docs } = await exchange.jsonObject()
  if (docs === undefined) throw new DatabaseError('badRequest', "Missing JSON list of 'docs'.")
  for (const [name] of exchange.query.pairs) {
    if (REFUSED_PARAMETERS.has(name)) {
      throw new DatabaseError('badRequest', `"${name}" query parameter is not acceptable`)
    }
  }
  if (!Array.isArray(docs)) throw new DatabaseError('badRequest', "Missing JSON list of 'docs'.")
  exchange.backend.metrics.count('couchdb.httpd.bulk_requests')
  const { maxBulkGet } = exchange.limits
  if (docs.length > maxBulkGet) throw new DatabaseError('tooManyDocumentsAsked', String(maxBulkGet))
  const wishes = await exchange.inTurns(wishSteps(exchange.database, docs))
  const latest = exchange.query.flag('latest')
  const attachments = {
    data: exchange.query.flag('attachments') ? ('inline' as const) : undefined,
    encodingInfo: exchange.query.flag('att_encoding_info'),
  }
  const { query } = exchange
  const wanted = { revs: query.flag('revs'), attachments, expiry: query.flag('show_exp') }
  const accept = exchange.header('accept')
  const type = MULTIPART_TYPES.find((each) => accepts(accept, each))
  if (type === undefined || accepts(accept, 'application/json')) {
    return jsonStream(200, jsonPieces(exchange.database, wishes, latest, wanted, hasLateData(wishes, wanted)))
  }
  const boundary = randomHex(exchange.backend.random, 16)
  const inner = randomHex(exchange.backend.random, 16)
  const all = parts(exchange.database, wishes, latest, wanted, inner)
  return multipartStream(type, boundary, bulkGetPieces(boundary, all))
}

function* wishSteps(database: Database, docs: readonly unknown[]): Steps<Wish[]> {
  const wishes: Wish[] = []
  for (const doc of docs) {
    wishes.push(yield* parseWish(database, doc))
    yield
  }
  return wishes
}

function* parseWish(database: Database, doc: unknown): Steps<Wish> {
  if (typeof doc !== 'object' || doc === null || Array.isArray(doc) || Object.keys(doc).length === 0) {
    return { id: null, rev: null, error: 'bad_request', reason: 'document must be a JSON object' }
  }
  const { id, rev, atts_since: since } = doc as { id?: unknown; rev?: unknown; atts_since?: unknown }
  if (id === undefined) {
    return { id: null, rev: null, error: 'bad_request', reason: 'document id missed' }
  }
  try {
    validateDocumentId(id)
    requireIdFor(database, id)
  } catch (error) {
    return { id, rev: null, ...told(error) }
  }
  let reading = rev
  try {
    const wanted = rev === undefined ? undefined : readRevision(rev)
    if (since === undefined) return { id, rev: wanted, attsSince: undefined }
    reading = since
    if (!Array.isArray(since)) {
      throw new DatabaseError('badRequest', 'att_since value must be array of revs.')
    }
    if (since.length > MOST_REVISIONS) throw new DatabaseError('requestTooLarge')
    const attsSince: string[] = []
    for (reading of since) {
      attsSince.push(readRevision(reading))
      if (attsSince.length % STEP_REVISIONS === 0) yield
    }
    // As in CouchDB, an empty list asks for nothing.
    return { id, rev: wanted, attsSince: attsSince.length === 0 ? undefined : attsSince }
  } catch (error) {
    return { id, rev: reading, ...told(error) }
  }
}

/** `atts_since` of one document asks for its data too. */
function forWish(wish: Wish, wanted: DocumentMembers): DocumentMembers {
  if ('error' in wish || wish.attsSince === undefined) return wanted
  return { ...wanted, attachments: { ...wanted.attachments, data: 'inline', since: wish.attsSince } }
}

function told(thrown: unknown): { error: string; reason: string } {
  const { error, reason } = knownError(thrown)
  return { error, reason }
}

/** Without a revision all leaves are meant; none where there is no such document. */
function find(
  database: Database,
  wish: { id: string; rev: string | undefined },
  latest: boolean,
): OpenRevision[] {
  if (wish.rev === undefined && database.lookup(wish.id) === undefined) return []
  return openRevisions(database, wish.id, wish.rev === undefined ? 'all' : [wish.rev], latest)
}

function missing(id: string, rev: string): Failure {
  return { id, rev, error: 'not_found', reason: 'missing' }
}

/** Whether data of attachments is read while the answer is sent. */
function hasLateData(wishes: readonly Wish[], { attachments }: DocumentMembers): boolean {
  return (
    attachments?.data !== undefined ||
    wishes.some((wish) => 'attsSince' in wish && wish.attsSince !== undefined)
  )
}

function* jsonPieces(
  database: Database,
  wishes: readonly Wish[],
  latest: boolean,
  wanted: DocumentMembers,
  isLate: boolean,
): Generator<AnswerPiece> {
  if (isLate) for (const [at, wish] of wishes.entries()) yield* wishPieces(database, wish, at, latest, wanted)
  else yield new WishFiller(database, wishes, latest, wanted)
  yield wishes.length > 0 ? ']}\n' : '{"results":[]}\n'
}

const START = '{"results":['
const FIRST = new FixedText(START)
const COMMA = new FixedText(',')

/** What is found, in the order of the wishes. */
class WishFiller implements RowFiller {
  readonly #database: Database
  readonly #wishes: readonly Wish[]
  readonly #latest: boolean
  readonly #wanted: DocumentMembers
  /** Whether nothing is asked for beside bodies. */
  readonly #isPlain: boolean
  #next = 0

  constructor(database: Database, wishes: readonly Wish[], latest: boolean, wanted: DocumentMembers) {
    this.#database = database
    this.#wishes = wishes
    this.#latest = latest
    this.#wanted = wanted
    this.#isPlain = wanted.revs !== true && wanted.expiry !== true
  }

  fill(out: Gathered): boolean {
    const wishes = this.#wishes
    const most = Math.min(out.most, out.size + STEP_BYTES)
    for (let i = 0; i < STEP_ROWS && out.size < most; i++) {
      const at = this.#next
      const wish = wishes[at]
      if (wish === undefined) return false
      this.#next += 1
      if (this.#isPlain && this.#write(wish, out, at)) continue
      for (const piece of wishPieces(this.#database, wish, at, this.#latest, this.#wanted)) {
        addPiece(piece, out)
      }
    }
    return true
  }

  #write(wish: Wish, out: Gathered, at: number): boolean {
    if ('error' in wish || isLocalId(wish.id)) return false
    const id = Buffer.from(wish.id)
    const row = this.#database.storedRow(id, 0, id.length)
    return row !== undefined && writeFound(row, out, wish.rev, at === 0 ? FIRST : COMMA)
  }
}

/** What is found for the wish of that number, and what stands before it. */
function* wishPieces(
  database: Database,
  wish: Wish,
  number: number,
  latest: boolean,
  wanted: DocumentMembers,
): Generator<Piece> {
  yield `${number === 0 ? START : ','}{"id":${JSON.stringify(wish.id)},"docs":[`
  let comma = ''
  for (const found of results(database, wish, latest)) {
    yield comma
    comma = ','
    if ('ok' in found) {
      yield '{"ok":'
      yield* viewPieces(found.ok, forWish(wish, wanted))
      yield '}'
    } else {
      const { rev, reason, id, error } = found
      yield JSON.stringify({ error: { rev, reason, id, error } })
    }
  }
  yield ']}'
}

function* parts(
  database: Database,
  wishes: Wish[],
  latest: boolean,
  wanted: DocumentMembers,
  boundary: string,
): Generator<Part> {
  for (const wish of wishes) {
    for (const found of results(database, wish, latest)) {
      if ('ok' in found) yield bulkGetPart(found.ok, forWish(wish, wanted), boundary)
      else yield jsonPart(JSON.stringify(found), true)
    }
  }
}

function* results(
  database: Database,
  wish: Wish,
  latest: boolean,
): Generator<Extract<OpenRevision, { ok: unknown }> | Failure> {
  if ('error' in wish) {
    yield wish
    return
  }
  // Local documents have no revisions to open.
  if (wish.id.startsWith('_local/')) {
    yield missing(wish.id, wish.rev ?? 'undefined')
    return
  }
  const found = find(database, wish, latest)
  if (found.length === 0) yield missing(wish.id, wish.rev ?? 'undefined')
  for (const revision of found) {
    if ('ok' in revision) yield revision
    else yield missing(wish.id, revision.missing)
  }
}

export const bulkGetResources: Resource[] = [
  {
    route: 'db/_bulk_get',
    endpoint: 'alone',
    body: 'lookup',
    allow: 'POST',
    methods: { POST: bulkGet },
  },
]
