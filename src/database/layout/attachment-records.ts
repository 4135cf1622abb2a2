/**
 * What a revision keeps of its attachments (`RevisionValue.attachments`): everything but the bytes, in the
 * order of the document, which enters its revision id. `n` are numbers of `byte-codec.ts`.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | n | attachments; for each: |
 * | n, bytes | name, UTF-8 |
 * | n, bytes | content type, UTF-8 |
 * | 16 bytes | md5 of the stored bytes |
 * | n | length as a client sees it |
 * | u8 | encoding of the stored bytes: 0 identity, 1 gzip |
 * | n | with gzip only: length of the stored bytes |
 * | n | revpos |
 * | 16 bytes | reference of the stored bytes |
 */

import type { Reference, ValueSource } from '../../../native-free-btree/index.ts'
import { ByteFormatError, ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import { checkVersion, TREES } from './layout.ts'
import { REFERENCE_BYTES } from './stored-body.ts'

const VERSION = 1
const IDENTITY = 0
const GZIP = 1
const MD5_BYTES = 16

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream'

export type AttachmentEncoding = 'identity' | 'gzip'

/** The file that a reference belongs to: all of a `ValueSource` that another thread can be told. */
export type ReferenceFile = Pick<ValueSource, 'salt'>

/** Bytes that were taken in for an attachment and are not named by a document yet. */
export interface AttachmentContent<File extends ReferenceFile = ValueSource> {
  /** Of the stored bytes, 16 raw bytes. */
  md5: Buffer
  /** Of the stored bytes, 32 raw bytes: equal content is known by it. */
  sha256: Buffer
  /** As a client sees it: of a body that came gzipped without its length, that of the gzipped bytes. */
  length: number
  encodedLength: number
  encoding: AttachmentEncoding
  /** Short content waits in memory for the transaction, long content lies in the file already. */
  stored: { bytes: Buffer } | { reference: Reference; source: File }
}

/** An attachment of a stored revision. */
export interface AttachmentInfo {
  name: string
  type: string
  md5: Buffer
  length: number
  encodedLength: number
  encoding: AttachmentEncoding
  /** Generation of the revision that brought it. */
  revpos: number
  reference: Reference
}

/** An attachment as an edit has it. */
export type AttachmentEdit<File extends ReferenceFile = ValueSource> =
  /** The one of the parent revision; with `revpos` only if it is of that generation. */
  | { kind: 'stub'; name: string; revpos: number | undefined }
  /** One that another revision in this database has. */
  | { kind: 'stored'; info: AttachmentInfo & { source?: File | undefined } }
  /** New content. `revpos` counts in replicated edits only. */
  | { kind: 'content'; name: string; type: string; content: AttachmentContent<File>; revpos: number }

/** An attachment of an edit on its way to the writer, which looks at the file of a reference alone. */
export type PlacedAttachment = AttachmentEdit<ReferenceFile>

/** What one attachment counts as, beside its name and type. */
const DESCRIPTION_BYTES = 512
/**
 * What the attachments of one document may count as together: some 7,500 of them. They are resolved, hashed and
 * written down within one turn of the writer, which others wait for.
 */
export const MOST_DESCRIPTION_BYTES = 4_000_000
/** The same for all documents of one request. */
export const MOST_REQUEST_DESCRIPTION_BYTES = 8 * MOST_DESCRIPTION_BYTES

/** What an attachment counts as. */
export function descriptionBytes(name: string, type = ''): number {
  return DESCRIPTION_BYTES + name.length + type.length
}

const writer = new ByteWriter()

function writeText(text: string): void {
  const bytes = Buffer.from(text)
  writer.number(bytes.length)
  writer.bytes(bytes)
}

/** Null for none. */
export function encodeAttachments(attachments: readonly AttachmentInfo[]): Buffer | null {
  if (attachments.length === 0) return null
  writer.begin()
  writer.u8(VERSION)
  writer.number(attachments.length)
  for (const info of attachments) {
    writeText(info.name)
    writeText(info.type)
    writer.bytes(info.md5)
    writer.number(info.length)
    writer.u8(info.encoding === 'gzip' ? GZIP : IDENTITY)
    if (info.encoding === 'gzip') writer.number(info.encodedLength)
    writer.number(info.revpos)
    writer.bytes(info.reference)
  }
  return writer.take()
}

function readText(reader: ByteReader): string {
  return reader.bytes(reader.number()).toString()
}

function decodeOne(reader: ByteReader): AttachmentInfo {
  const name = readText(reader)
  const type = readText(reader)
  const md5 = reader.bytes(MD5_BYTES)
  const length = reader.number()
  const encoding = reader.u8()
  if (encoding > GZIP) throw new ByteFormatError(`unknown encoding of an attachment: ${encoding}`)
  const encodedLength = encoding === GZIP ? reader.number() : length
  const revpos = reader.number()
  const reference = reader.bytes(REFERENCE_BYTES)
  return {
    name,
    type,
    md5,
    length,
    encodedLength,
    encoding: encoding === GZIP ? 'gzip' : 'identity',
    revpos,
    reference,
  }
}

/** The buffers are views of `bytes`. Throws ByteFormatError. */
export function decodeAttachments(bytes: Uint8Array | null): AttachmentInfo[] {
  if (bytes === null) return []
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new ByteFormatError(`a list of attachments of version ${version}`)
  const count = reader.number()
  const attachments: AttachmentInfo[] = []
  while (attachments.length < count) attachments.push(decodeOne(reader))
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last attachment')
  return attachments
}

/** What attachments add to the sizes of their revision. */
export function attachmentSizes(attachments: readonly AttachmentInfo[]): {
  external: number
  active: number
} {
  let external = 0
  let active = 0
  for (const { length, encodedLength } of attachments) {
    external += length
    active += encodedLength
  }
  return { external, active }
}

/** The reference in a value of the tree `attachments`. Throws storage_damaged. */
export function referenceOfEntry(value: Uint8Array): Reference {
  checkVersion(value, TREES.attachments)
  return value.subarray(1)
}
