import { DatabaseError } from '../../../base/errors.ts'
import { randomHex } from '../../../base/random.ts'
import type { AttachmentView } from '../../../database/api/database.ts'
import { DEFAULT_CONTENT_TYPE } from '../../../database/layout/attachment-records.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import type { Piece, PieceSource } from '../../../documents/piece.ts'
import { type Answer, bare, type Headers } from '../../answer/answer.ts'
import { acceptsGzip } from '../../request/accept-encoding.ts'
import { type ByteRange, contentRange, parseByteRanges } from '../../request/byte-range.ts'
import type { Exchange } from '../../request/exchange.ts'
import { toHeader } from '../../request/header-text.ts'
import type { HttpLimits } from '../../request/options.ts'
import type { Resource } from '../resource.ts'
import { deleteAttachment, putAttachment } from './attachment-write.ts'
import { openView, parseReadParameters } from './document-read.ts'

/** GET and HEAD of `/{db}/{id}/{name}`. */
function readAttachment(exchange: Exchange): Answer {
  const parameters = parseReadParameters(exchange.query)
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  const name = exchange.place.rest.join('/')
  const attachment = openView(exchange, parameters)
    .attachments()
    .find((each) => each.name === name)
  if (attachment === undefined) throw new DatabaseError('missing', 'Document is missing attachment')
  const etag = `"${attachment.md5.toString('base64')}"`
  const gzip = acceptsGzip(exchange.header('accept-encoding'))
  if (exchange.matchesEtag(etag)) return bare(304, { etag })
  const headers = headersOf(attachment, etag, exchange.limits)
  return attachment.encoding === 'identity'
    ? plainAnswer(exchange, attachment, headers)
    : encodedAnswer(attachment, headers, gzip)
}

function headersOf({ type, encoding }: AttachmentView, etag: string, limits: HttpLimits): Headers {
  const { attachmentPolicyEnabled, attachmentPolicy } = limits
  return {
    etag,
    'cache-control': 'must-revalidate',
    'content-type': headerType(type),
    'accept-ranges': encoding === 'identity' ? 'bytes' : 'none',
    // An attachment is whatever its author uploaded: a browser must not run it with this server's rights.
    ...(attachmentPolicyEnabled ? { 'content-security-policy': attachmentPolicy } : {}),
  }
}

/** A content type from a document may hold anything; a header may not. */
function headerType(type: string): string {
  return toHeader(type) ?? DEFAULT_CONTENT_TYPE
}

function plainAnswer(exchange: Exchange, attachment: AttachmentView, headers: Headers): Answer {
  const { length } = attachment
  const condition = exchange.header('if-range')
  const applies = condition === undefined || condition === headers['etag']
  const ranges = applies ? parseByteRanges(exchange.header('range'), length) : undefined
  if (ranges === undefined) {
    const pieces = sourcePieces(attachment.storedBytes())
    return {
      kind: 'streamed',
      status: 200,
      headers: { ...headers, 'content-length': String(length) },
      pieces,
    }
  }
  if (ranges.length > 1) return multipartRanges(exchange, attachment, ranges)
  const [range] = ranges as [ByteRange]
  return {
    kind: 'streamed',
    status: 206,
    headers: {
      ...headers,
      'content-range': contentRange(range, length),
      'content-length': String(range.end - range.start + 1),
    },
    pieces: sourcePieces(attachment.storedBytes(range.start, range.end + 1)),
  }
}

function encodedAnswer(attachment: AttachmentView, headers: Headers, gzip: boolean): Answer {
  const { length, encodedLength, encoding } = attachment
  const varied = { ...headers, vary: 'Accept-Encoding' }
  if (gzip) {
    return {
      kind: 'streamed',
      status: 200,
      headers: { ...varied, 'content-encoding': encoding, 'content-length': String(encodedLength) },
      pieces: sourcePieces(attachment.storedBytes()),
    }
  }
  // Of what was uploaded gzipped the plain length was never told.
  const known: Headers = length === encodedLength ? {} : { 'content-length': String(length) }
  const pieces = sourcePieces(attachment.plainBytes())
  return { kind: 'streamed', status: 200, headers: { ...varied, ...known }, pieces }
}

function multipartRanges(exchange: Exchange, attachment: AttachmentView, ranges: ByteRange[]): Answer {
  const boundary = randomHex(exchange.backend.random, 16)
  const headers = { 'content-type': `multipart/byteranges; boundary="${boundary}"` }
  return { kind: 'streamed', status: 206, headers, pieces: rangePieces(attachment, ranges, boundary) }
}

function* rangePieces(attachment: AttachmentView, ranges: ByteRange[], boundary: string): Generator<Piece> {
  const type = headerType(attachment.type)
  yield `--${boundary}`
  for (const range of ranges) {
    yield Buffer.from(`\r\nContent-Type: ${type}\r\n`, 'latin1')
    yield `Content-Range: ${contentRange(range, attachment.length)}\r\n\r\n`
    yield attachment.storedBytes(range.start, range.end + 1)
    yield `\r\n--${boundary}`
  }
  yield '--'
}

function* sourcePieces(source: PieceSource): Generator<Piece> {
  yield source
}

/** `_design%2Fname` is one name with an escaped slash; readers are sent to the usual spelling. */
function redirectToDesign(exchange: Exchange): Answer {
  const location = exchange.rawTarget.replace(/_design%2f/i, '_design/')
  return bare(301, { location: exchange.absoluteUri(location) })
}

export const attachmentResources: Resource[] = [
  {
    route: 'db/attachment',
    allow: 'DELETE,GET,HEAD,PUT',
    methods: { GET: readAttachment, PUT: putAttachment, DELETE: deleteAttachment },
  },
  { route: 'db/design-redirect', allow: 'GET,HEAD', methods: { GET: redirectToDesign } },
]
