import type { Piece, RowFiller } from '../../documents/piece.ts'

/**
 * What a handler gives back: a whole body, or a text that is made piece by piece while it is sent. A body is
 * JSON text that already ends with the newline CouchDB sends.
 */
export type Answer = WholeAnswer | StreamedAnswer

/** Names in lower case. */
export type Headers = Record<string, string>

interface AnyAnswer {
  /** The server's own JSON, not bytes or a function's answer of somebody's. */
  ours?: true
}

export interface WholeAnswer extends AnyAnswer {
  kind: 'whole'
  status: number
  headers: Headers
  /** Empty for 304 and redirects: no content-type is sent then. */
  body: Buffer | string
  /** Each character of `body` is a byte of it. */
  isBytes?: true
}

export interface StreamedAnswer extends AnyAnswer {
  kind: 'streamed'
  status: number
  headers: Headers
  /** Pieces of any size; the sender gathers them. `return()` is called when the client goes away. */
  pieces: Pieces
}

export type Pieces = Iterator<AnswerPiece> | AsyncIterator<AnswerPiece> | MixedPieces

/** Rows that write themselves are pieces of answers alone. */
export type AnswerPiece = Piece | RowFiller

/** Each comes at once, or later. */
export interface MixedPieces {
  next(): IteratorResult<AnswerPiece> | Promise<IteratorResult<AnswerPiece>>
  return(): Promise<IteratorResult<AnswerPiece>>
}

const CACHE_CONTROL = 'must-revalidate'
const JSON_TYPE = 'application/json'

/**
 * The headers of JSON, and others. Where a literal says which these are, objects share one shape; those that are put together have each
 * one of its own, which takes a microsecond to make and to go through, and memory in the old generation.
 */
function jsonHeaders(others: Headers | undefined): Headers {
  if (others === undefined) return { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE }
  return { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE, ...others }
}

/** A JSON value that is no document's body. */
export function json(status: number, value: unknown, headers?: Headers): WholeAnswer {
  return jsonText(status, `${JSON.stringify(value)}\n`, headers)
}

/** JSON text, its newline included. */
export function jsonText(status: number, body: string | Buffer, headers?: Headers): WholeAnswer {
  return { kind: 'whole', status, headers: jsonHeaders(headers), body, ours: true }
}

/** The same with an ETag and no other headers. */
export function taggedJson(status: number, body: string | Buffer, etag: string): WholeAnswer {
  const headers = { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE, etag }
  return { kind: 'whole', status, headers, body, ours: true }
}

/** A document's text, of which each character is a byte. */
export function taggedBytes(body: string, etag: string): WholeAnswer {
  const headers = { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE, etag }
  return { kind: 'whole', status: 200, headers, body, ours: true, isBytes: true }
}

/** Characters that stand in a JSON text as they are, each a byte. */
const PLAIN = /^[ !#-[\]-~]*$/

/** The document and the revision that was written, and where it is. */
export function writtenJson(
  status: number,
  id: string,
  rev: string,
  { etag, location }: { etag: string | undefined; location: string },
): WholeAnswer {
  const headers: Headers =
    etag === undefined
      ? { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE, location }
      : { 'cache-control': CACHE_CONTROL, 'content-type': JSON_TYPE, etag, location }
  if (PLAIN.test(id) && PLAIN.test(rev)) {
    const body = `{"ok":true,"id":"${id}","rev":"${rev}"}\n`
    return { kind: 'whole', status, headers, body, ours: true, isBytes: true }
  }
  return { kind: 'whole', status, headers, body: `${JSON.stringify({ ok: true, id, rev })}\n`, ours: true }
}

/** `{"ok":true}`. */
export function ok(status = 200, headers?: Headers): WholeAnswer {
  return jsonText(status, '{"ok":true}\n', headers)
}

/** No body and none of the usual headers: 304, redirects. */
export function bare(status: number, headers: Headers): WholeAnswer {
  return { kind: 'whole', status, headers, body: '' }
}

/** JSON text in pieces, its newline included. */
export function jsonStream(status: number, pieces: Pieces, headers?: Headers): StreamedAnswer {
  return { kind: 'streamed', status, headers: jsonHeaders(headers), pieces, ours: true }
}

/** Parts, which begin with their `boundary`. */
export function multipartStream(
  type: 'multipart/mixed' | 'multipart/related',
  boundary: string,
  pieces: Pieces,
): StreamedAnswer {
  const headers = { 'content-type': `${type}; boundary="${boundary}"` }
  return { kind: 'streamed', status: 200, headers, pieces }
}
