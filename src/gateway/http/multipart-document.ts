/**
 * A document whose attachments follow it in parts. Which part is which attachment's is told by its digest alone, SHA-1 or MD5.
 */
import { DatabaseError } from '../../base/errors.ts'
import { boundaryOf, MultipartReader, wholeBody } from '../../documents/multipart-reader.ts'
import { scanDocumentSteps } from '../../json/documents.ts'
import { badRequest, GatewayError } from '../errors.ts'
import { type GivenAttachment, takeBytes } from '../store/attachments.ts'
import { type Exchange, mediaType } from './exchange.ts'
import { type AttachmentMember, type ReadDocument, readDocument } from './given-document.ts'

export interface MultipartDocument {
  read: ReadDocument
  followed: Map<string, GivenAttachment>
}

/** Rejects with 400, 413, 415. */
export async function readMultipartDocument(
  exchange: Exchange,
  contentType: string,
): Promise<MultipartDocument> {
  const reader = new MultipartReader(exchange.source, boundaryOf(contentType))
  try {
    const read = await readFirstPart(exchange, reader)
    const waiting = read.attachments.filter(({ follows }) => follows)
    return { read, followed: await readFollowing(exchange, reader, waiting) }
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function readFirstPart(exchange: Exchange, reader: MultipartReader): Promise<ReadDocument> {
  const { gateway, hold } = exchange
  const part = await reader.nextPart()
  if (part === undefined) throw badRequest('The multipart body has no parts')
  const type = part.headers.get('content-type')
  if (type !== undefined && mediaType(type) !== 'application/json') {
    throw new GatewayError(415, `Invalid content type ${type}`)
  }
  const text = await wholeBody(part, gateway.limits.maxJsonBytes, hold)
  const scanned = await exchange.inTurns(scanDocumentSteps(text))
  if (scanned === null) throw badRequest('Bad JSON')
  return readDocument(scanned, gateway.clock.now(), gateway.limits)
}

async function readFollowing(
  { gateway, database }: Exchange,
  reader: MultipartReader,
  waiting: readonly AttachmentMember[],
): Promise<Map<string, GivenAttachment>> {
  const byDigest = new Map<string, AttachmentMember>()
  for (const member of waiting) {
    if (member.digest === undefined) {
      throw badRequest(`Missing digest in attachment ${JSON.stringify(member.name)}`)
    }
    byDigest.set(member.digest, member)
  }
  const followed = new Map<string, GivenAttachment>()
  for (let count = 0; ; count++) {
    const part = await nextPart(reader)
    if (part === undefined && count < byDigest.size) {
      throw badRequest(`Too few MIME parts: expected ${byDigest.size} attachments, got ${count}`)
    }
    if (part === undefined) break
    if (count >= byDigest.size) throw badRequest(`Too many MIME parts (expected ${byDigest.size + 1})`)
    const name = `part ${count + 2}`
    const { content, digest, md5 } = await takeBytes(
      database.database,
      name,
      part.body,
      gateway.limits.maxAttachmentBytes,
    )
    const member = byDigest.get(digest) ?? byDigest.get(md5)
    if (member === undefined) throw badRequest(`MIME part #${count + 2} doesn't match any attachment`)
    if (member.length !== undefined && member.length !== content.length) {
      const what = `read ${content.length} bytes, should be ${member.length}`
      throw badRequest(`Attachment length mismatch for ${JSON.stringify(member.name)}: ${what}`)
    }
    // Several names may be of one content, which comes once.
    for (const each of waiting) {
      if (each.digest !== member.digest) continue
      const { type, packing } = each
      followed.set(each.name, { kind: 'content', name: each.name, type, packing, digest, content })
    }
  }
  return followed
}

async function nextPart(reader: MultipartReader) {
  try {
    return await reader.nextPart()
  } catch (error) {
    if (error instanceof DatabaseError) throw badRequest('The multipart body is broken')
    throw error
  }
}
