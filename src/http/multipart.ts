import type { Piece, StreamedAnswer } from './answer.ts'

/** One part of a `multipart/mixed` answer: JSON text, an error where the revision is missing. */
export interface JsonPart {
  text: string | Buffer
  error: boolean
}

/** The parts with the delimiter before each, as `open_revs` is answered. No part has a length. */
export function multipartMixed(boundary: string, parts: Iterable<JsonPart>): StreamedAnswer {
  return streamed(boundary, openRevsPieces(boundary, parts))
}

/** As `_bulk_get` is answered: an empty list of parts is an empty body. */
export function multipartBulk(boundary: string, parts: Iterable<JsonPart>): StreamedAnswer {
  return streamed(boundary, bulkPieces(boundary, parts))
}

function streamed(boundary: string, pieces: Iterator<Piece>): StreamedAnswer {
  const headers = { 'content-type': `multipart/mixed; boundary="${boundary}"` }
  return { kind: 'streamed', status: 200, headers, pieces }
}

function* openRevsPieces(boundary: string, parts: Iterable<JsonPart>): Generator<Piece> {
  yield `--${boundary}`
  for (const part of parts) {
    yield head(part)
    yield part.text
    yield `\r\n--${boundary}`
  }
  yield '--'
}

function* bulkPieces(boundary: string, parts: Iterable<JsonPart>): Generator<Piece> {
  let any = false
  for (const part of parts) {
    any = true
    yield `\r\n--${boundary}`
    yield head(part)
    yield part.text
  }
  if (any) yield `\r\n--${boundary}--\r\n`
}

function head(part: JsonPart): string {
  return `\r\nContent-Type: application/json${part.error ? '; error="true"' : ''}\r\n\r\n`
}
