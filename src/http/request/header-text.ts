/**
 * The text of clients in headers. A field's value may have any byte but controls (RFC 9110, 5.5), and Node takes and
 * gives each byte as one character. Text travels as its UTF-8, as in CouchDB. What holds a control character is left
 * out where a header would have it, and never changed: changed it would be the name of something else.
 */
import { isUtf8 } from 'node:buffer'
import { isHeaderText } from '../../documents/characters.ts'
import type { Headers } from '../answer/answer.ts'

const PLAIN = /^[\x20-\x7e]*$/

/** As Node is given it; undefined where no header can hold the text. */
export function toHeader(text: string): string | undefined {
  if (PLAIN.test(text)) return text
  return isHeaderText(text) ? Buffer.from(text).toString('latin1') : undefined
}

/** The text of a header as Node gives it. Bytes that are no UTF-8 are taken for characters of Latin-1. */
export function fromHeader(value: string): string {
  if (PLAIN.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : value
}

/** The ETag that names a revision, for a header; undefined where no header can hold it. */
export function revisionTag(rev: string): string | undefined {
  const text = toHeader(rev)
  return text === undefined ? undefined : `"${text}"`
}

/** The header `etag` of a revision, if there can be one. */
export function revisionTagHeader(rev: string): Headers {
  const etag = revisionTag(rev)
  return etag === undefined ? {} : { etag }
}
