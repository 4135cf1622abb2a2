/** Documents on their way in: their special members read as Sync Gateway reads them. */
import type { ScannedDocument } from '../../json/documents.ts'
import { objectMembers } from '../../json/members.ts'
import { parseFlat } from '../../json/value-steps.ts'
import { isObject } from '../config.ts'
import { badRequest, GatewayError, missing } from '../errors.ts'
import type { Gateway, GatewayLimits } from '../gateway.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { type GivenAttachment, takeBytes } from '../store/attachments.ts'
import type { GivenDocument } from '../store/document-write.ts'
import type { AttachmentPacking } from '../store/revision-record.ts'

/** A document's members, read. */
export interface ReadDocument {
  id: unknown
  rev: string | undefined
  deleted: boolean
  body: Buffer
  term: Buffer
  history: string[] | undefined
  attachments: AttachmentMember[]
  expiry: number | undefined
}

/** One member of `_attachments`. */
export interface AttachmentMember {
  name: string
  type: string | undefined
  digest: string | undefined
  packing: AttachmentPacking | undefined
  follows: boolean
  length: number | undefined
  data: Buffer | undefined
  /** Why it is no stub, of one that has no data. */
  stubFault: string | undefined
}

const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const QUOTE = 0x22
/** `_revisions`: an object and the list in it. */
const REVISIONS_LEVELS = 2
const MOST_RELATIVE_EXPIRY_SECONDS = 30 * 24 * 60 * 60
const MOST_EXPIRY_TEXT = 2 ** 31
const DAY_AND_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/
/** A token of HTTP. */
const CODING = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const NO_DIGIT = /[^A-Za-z0-9+/]/
const MOST_ID_BYTES = 250
/** CouchDB's members of a body that begin with an underscore: the scanner leaves them where they are. */
const BODY_MEMBERS = /"_(?:access|replication_[a-z_]+)"/

/** Throws 400, 413. `nowMs` is what intervals of expiry count from. */
export function readDocument(
  scanned: ScannedDocument,
  nowMs: number,
  { maxDocumentBytes }: Pick<GatewayLimits, 'maxDocumentBytes'>,
): ReadDocument {
  const { body, term, special } = scanned
  // Before anything looks through it.
  if (body.length > maxDocumentBytes) throw new GatewayError(413, 'Document too large!')
  const read: ReadDocument = {
    id: undefined,
    rev: undefined,
    deleted: false,
    body,
    term,
    history: undefined,
    attachments: [],
    expiry: undefined,
  }
  if (hasUnderscoreMember(body)) throw underscored()
  let revisions: Buffer | undefined
  for (const [name, text] of special) {
    if (name === '_id') read.id = text[0] === QUOTE ? JSON.parse(text.toString()) : null
    else if (name === '_rev')
      read.rev = text[0] === QUOTE ? (JSON.parse(text.toString()) as string) : undefined
    else if (name === '_deleted') read.deleted = text.toString() === 'true'
    else if (name === '_revisions') revisions = text
    else if (name === '_attachments') read.attachments = attachmentMembers(text)
    else if (name === '_exp') read.expiry = expiryOf(text, nowMs)
    else if (name === '_removed' && text.toString() !== 'null') {
      // What is shown to who may not read a revision, changed and sent back.
      throw missing('Document revision is not accessible')
    } else throw underscored()
  }
  read.history = historyOf(revisions, read.rev)
  return read
}

function underscored(): GatewayError {
  return badRequest("user defined top level properties beginning with '_' are not allowed in document body")
}

function hasUnderscoreMember(body: Buffer): boolean {
  if (!body.includes('"_')) return false
  const text = body.toString('latin1')
  return BODY_MEMBERS.test(text) && [...objectMembers(body)].some(([name]) => name.startsWith('_'))
}

/** `_revisions`, or `_rev` alone; undefined where neither makes sense. */
function historyOf(text: Buffer | undefined, rev: string | undefined): string[] | undefined {
  if (text === undefined) return rev === undefined ? undefined : [rev]
  let value: unknown
  try {
    value = parseFlat(text.toString(), REVISIONS_LEVELS)
  } catch {
    return undefined
  }
  if (!isObject(value)) return undefined
  const { start, ids } = value
  if (!Number.isInteger(start) || !Array.isArray(ids) || ids.length === 0) return undefined
  if (ids.length > (start as number) || ids.some((id) => typeof id !== 'string')) return undefined
  const history = ids.map((id: string, at) => `${(start as number) - at}-${id}`)
  return rev === undefined || rev === history[0] ? history : undefined
}

function attachmentMembers(text: Buffer): AttachmentMember[] {
  if (text.toString('latin1', 0, 5) === 'null') return []
  if (text[0] !== OPEN_BRACE) throw badRequest('Invalid _attachments')
  const members: AttachmentMember[] = []
  for (const [name, value] of objectMembers(text)) {
    if (value[0] !== OPEN_BRACE) throw badRequest('Invalid _attachments')
    const given = new Map(objectMembers(value))
    const follows = given.get('follows')?.toString() === 'true'
    members.push({
      name,
      follows,
      type: textOf(given.get('content_type')),
      digest: textOf(given.get('digest')),
      packing: packingOf(given),
      stubFault: stubFault(name, given),
      length: lengthOf(given.get('encoded_length')) ?? lengthOf(given.get('length')),
      data: follows ? undefined : dataOf(given.get('data')),
    })
  }
  return members
}

/** Sync Gateway takes any text: what no header could say is none. */
function packingOf(given: ReadonlyMap<string, Buffer>): AttachmentPacking | undefined {
  const encoding = textOf(given.get('encoding'))
  if (encoding === undefined || !CODING.test(encoding)) return undefined
  return { encoding, length: lengthOf(given.get('length')) }
}

function stubFault(name: string, given: ReadonlyMap<string, Buffer>): string | undefined {
  if (given.get('stub')?.toString() !== 'true') return `Missing data of attachment ${JSON.stringify(name)}`
  const revpos = Number(given.get('revpos')?.toString())
  return revpos >= 1 ? undefined : `Missing/invalid revpos in stub attachment ${JSON.stringify(name)}`
}

function textOf(text: Buffer | undefined): string | undefined {
  return text?.[0] === QUOTE ? (JSON.parse(text.toString()) as string) : undefined
}

function lengthOf(text: Buffer | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text.toString('latin1', 0, 16))
    ? Number(text.toString())
    : undefined
}

function dataOf(text: Buffer | undefined): Buffer | undefined {
  if (text === undefined || text.toString('latin1', 0, 5) === 'null') return undefined
  const data = textOf(text)
  if (data === undefined) throw badRequest(`invalid attachment data (type ${typeOf(text)})`)
  const bare = data.replace(/[\r\n]/g, '')
  if (!isBase64(bare)) throw new GatewayError(500, 'Internal error: illegal base64 data')
  return Buffer.from(bare, 'base64')
}

/** In the words of Go. */
function typeOf(text: Buffer): string {
  const first = text[0]
  if (first === OPEN_BRACE) return 'map[string]interface {}'
  if (first === OPEN_BRACKET) return '[]interface {}'
  return text.toString() === 'true' || text.toString() === 'false' ? 'bool' : 'float64'
}

/** Padding is a must. A search, for one expression of the whole keeps a place for every four digits to go back to. */
function isBase64(text: string): boolean {
  const digits = text.search(NO_DIGIT)
  return text.length % 4 === 0 && (digits < 0 || ['=', '=='].includes(text.slice(digits)))
}

/** Unix time in seconds; undefined for never. Throws 400. */
function expiryOf(text: Buffer, nowMs: number): number | undefined {
  const value: unknown = parseScalar(text)
  if (typeof value === 'number') return absoluteExpiry(value, nowMs)
  if (typeof value !== 'string') return undefined
  if (/^\d+$/.test(value) && Number(value) < MOST_EXPIRY_TEXT) return absoluteExpiry(Number(value), nowMs)
  const ms = DAY_AND_TIME.test(value) ? Date.parse(value.toUpperCase()) : Number.NaN
  if (Number.isNaN(ms))
    throw badRequest(`Unable to parse expiry ${JSON.stringify(value)} as either numeric or date expiry`)
  return Math.floor(ms / 1000)
}

function parseScalar(text: Buffer): unknown {
  const first = text[0]
  return first === OPEN_BRACE || first === OPEN_BRACKET ? undefined : JSON.parse(text.toString())
}

function absoluteExpiry(seconds: number, nowMs: number): number | undefined {
  if (!(seconds > 0) || seconds >= 2 ** 40) return undefined
  return Math.floor(seconds <= MOST_RELATIVE_EXPIRY_SECONDS ? nowMs / 1000 + seconds : seconds)
}

/** Whether a client may call a document so. */
export function isWritableId(id: string): boolean {
  return id !== '' && !id.startsWith('_') && Buffer.byteLength(id) <= MOST_ID_BYTES
}

/** The document to be written as `id`, its inline attachments taken in. Rejects with 400, 413. */
export async function givenDocument(
  gateway: Gateway,
  database: GatewayDatabase,
  id: string,
  read: ReadDocument,
  followed: ReadonlyMap<string, GivenAttachment> = new Map(),
): Promise<GivenDocument> {
  const { deleted, body, term, rev, expiry } = read
  const { maxAttachmentBytes } = gateway.limits
  const attachments: GivenAttachment[] = []
  for (const { name, type, digest, packing, data, stubFault: fault } of read.attachments) {
    const follower = followed.get(name)
    if (follower !== undefined) attachments.push(follower)
    else if (data === undefined) attachments.push({ kind: 'stub', name, digest, fault })
    else {
      const taken = await takeBytes(database.database, name, [data], maxAttachmentBytes)
      attachments.push({ kind: 'content', name, type, packing, digest: taken.digest, content: taken.content })
    }
  }
  return { id, deleted, body, term, rev, history: undefined, attachments, expiry }
}
