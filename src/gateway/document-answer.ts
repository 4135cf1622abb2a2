/** Revisions as they are answered: JSON, and JSON with the attachments' bytes in parts behind it. */

import { parseRevision } from '../database/revisions/revision-id.ts'
import { isHeaderText } from '../documents/characters.ts'
import type { Piece } from '../documents/piece.ts'
import { documentText, memberText, stringsText } from '../json/writer.ts'
import type { SeenRevision } from './reads.ts'
import { attachmentText, type NotedAttachment, notedAttachments } from './store/attachments.ts'
import { normalRevision } from './store/document-leaves.ts'

/** What a reader wants beside the body. */
export interface Wanted {
  revisions?: RevisionsWish | undefined
  expiry?: boolean
  /** Bytes of attachments that are newer than the newest known one of these revisions; undefined: stubs alone. */
  attachmentsSince?: readonly string[] | undefined
}

export interface RevisionsWish {
  /** Known revisions: the path goes no further than to the first of them. */
  from: readonly string[]
  /** Most revisions, where none of those is met; undefined for all. */
  limit: number | undefined
}

/** Attachments that are longer follow in parts of their own. */
const MOST_INLINE_BYTES = 200
/** Whole groups of three. */
const BASE64_BYTES = 3 * 16 * 1024

/** A document, and the attachments that follow it. */
export interface DocumentParts {
  json: Piece[]
  following: ReturnType<typeof notedAttachments>
  /** The JSON has the bytes of some attachments. */
  hasData: boolean
}

/** `mayFollow`: long attachments are told to follow. */
export function documentParts(seen: SeenRevision, wanted: Wanted, mayFollow: boolean): DocumentParts {
  const { view, body, record } = seen.revision
  let members = view.deleted ? ',"_deleted":true' : ''
  if (seen.isRedacted) {
    if (!view.deleted) members = ',"_removed":true'
    if (wanted.revisions !== undefined) members += revisionsMember(seen, wanted.revisions)
    return { json: [documentText(view.id, view.rev, EMPTY, members)], following: [], hasData: false }
  }
  if (wanted.revisions !== undefined) members += revisionsMember(seen, wanted.revisions)
  if (wanted.expiry && seen.isCurrent && record.expiry !== undefined) {
    members += memberText('_exp', JSON.stringify(formatExpiry(record.expiry)))
  }
  const attachments = notedAttachments(seen.revision)
  if (attachments.length === 0)
    return { json: [documentText(view.id, view.rev, body, members)], following: [], hasData: false }
  const after = commonGeneration(seen, wanted.attachmentsSince)
  const following: DocumentParts['following'] = []
  const json: Piece[] = []
  let text = ',"_attachments":{'
  let hasData = false
  attachments.forEach((attachment, at) => {
    text += `${at === 0 ? '' : ','}${JSON.stringify(attachment.name)}:`
    if (after === undefined || attachment.revpos <= after) {
      text += attachmentText(attachment, { as: 'stub' })
      return
    }
    hasData = true
    if (mayFollow && attachment.length > MOST_INLINE_BYTES) {
      following.push(attachment)
      text += attachmentText(attachment, { as: 'follows' })
      return
    }
    const [head, tail] = attachmentText(attachment, { as: 'data', base64: MARK }).split(MARK)
    json.push(text + head!, base64Pieces(attachment.view.plainBytes()))
    text = tail!
  })
  json.unshift(withoutEnd(documentText(view.id, view.rev, body, members)))
  json.push(`${text}}}`)
  return { json, following, hasData }
}

const EMPTY = Buffer.from('{}')
/** No text of JSON has this character. */
const MARK = '\u0000'

function withoutEnd(text: Buffer): Buffer {
  return text.subarray(0, text.length - 1)
}

export function formatExpiry(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
}

function revisionsMember({ revision }: SeenRevision, wish: RevisionsWish): string {
  const { start, ids } = revision.view.revisions()
  const known = new Set(wish.from.map(normalRevision))
  const found = ids.findIndex((id, at) => known.has(`${start - at}-${id}`))
  const shown = found >= 0 ? ids.slice(0, found + 1) : ids.slice(0, wish.limit)
  return memberText('_revisions', `{"start":${start},"ids":${stringsText(shown)}}`)
}

/** The generation up to which the reader has attachments; undefined: he wants none. */
function commonGeneration(
  { revision }: SeenRevision,
  since: readonly string[] | undefined,
): number | undefined {
  if (since === undefined) return undefined
  const { start, ids } = revision.view.revisions()
  const path = new Set(ids.map((id, at) => `${start - at}-${id}`))
  let generation = 0
  for (const rev of since) {
    const normal = normalRevision(rev)
    if (normal !== undefined && path.has(normal)) generation = Math.max(generation, parseRevision(normal).pos)
  }
  return generation
}

function base64Pieces(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      let rest = Buffer.alloc(0)
      for await (const chunk of source) {
        const bytes = Buffer.concat([rest, chunk])
        const whole = bytes.length - (bytes.length % 3)
        for (let at = 0; at < whole; at += BASE64_BYTES) {
          yield Buffer.from(bytes.toString('base64', at, Math.min(at + BASE64_BYTES, whole)), 'latin1')
        }
        rest = bytes.subarray(whole)
      }
      if (rest.length > 0) yield Buffer.from(rest.toString('base64'), 'latin1')
    },
  }
}

/** The pieces of a `multipart/related` document. */
export function* relatedPieces({ json, following }: DocumentParts, boundary: string): Generator<Piece> {
  yield `--${boundary}\r\nContent-Type: application/json\r\n\r\n`
  yield* json
  for (const attachment of following) {
    yield `\r\n--${boundary}${attachmentHead(attachment)}\r\n\r\n`
    yield { [Symbol.asyncIterator]: () => attachment.view.plainBytes()[Symbol.asyncIterator]() }
  }
  yield `\r\n--${boundary}--\r\n`
}

function attachmentHead({ name, type, isUntyped }: NotedAttachment): string {
  const filename = isHeaderText(name) ? `; filename="${name.replace(/["\\]/g, '\\$&')}"` : ''
  const typeLine = !isUntyped && isHeaderText(type) ? `\r\nContent-Type: ${type}` : ''
  return `\r\nContent-Disposition: attachment${filename}${typeLine}`
}

/** One part of a `multipart/mixed` answer. */
export function* mixedPart(parts: DocumentParts, seen: SeenRevision, boundary: string): Generator<Piece> {
  if (!parts.hasData) {
    yield 'Content-Type: application/json\r\n\r\n'
    yield* parts.json
    return
  }
  const { id, rev } = seen.revision.view
  yield `Content-Type: multipart/related; boundary="${boundary}"\r\n`
  if (isHeaderText(id)) yield `X-Doc-ID: ${id}\r\n`
  if (isHeaderText(rev)) yield `X-Rev-ID: ${rev}\r\n`
  yield '\r\n'
  yield* relatedPieces(parts, boundary)
}

/** A part that tells of an error. */
export function* errorPart(text: string): Generator<Piece> {
  yield `Content-Type: application/json; error="true"\r\n\r\n${text}`
}

/** The parts as one body. */
export function* mixedPieces(boundary: string, parts: Iterable<Iterable<Piece>>): Generator<Piece> {
  let isFirst = true
  for (const part of parts) {
    yield `${isFirst ? '' : '\r\n'}--${boundary}\r\n`
    yield* part
    isFirst = false
  }
  yield `\r\n--${boundary}--\r\n`
}
