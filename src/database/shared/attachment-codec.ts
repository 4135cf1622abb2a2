/**
 * Attachments of an edit on its way to the writer's thread. `n`, `b` as in `update-codec.ts`; a file is u8 1 and its salt (8
 * bytes), or u8 0 for the file that the writer has.
 *
 * | kind | u8 | behind it |
 * |---|---|---|
 * | stub | 0 | b name, u8 1 and n revpos, or u8 0 |
 * | stored | 1 | b name, b type, the content, n revpos, reference, file |
 * | content in memory | 2 | b name, b type, the content, n revpos, b SHA-256, b bytes |
 * | content in a file | 3 | b name, b type, the content, n revpos, b SHA-256, reference, file |
 *
 * The content: md5 (16 bytes), n length, n stored length, u8 encoding (0 identity, 1 gzip).
 */
import { ByteFormatError, type ByteReader, type ByteWriter } from '../../base/byte-codec.ts'
import type { AttachmentEncoding, PlacedAttachment, ReferenceFile } from '../layout/attachment-records.ts'
import { REFERENCE_BYTES } from '../layout/stored-body.ts'
import { readText, writeText } from './text-codec.ts'

const STUB = 0
const STORED = 1
const IN_MEMORY = 2
const IN_FILE = 3

const IDENTITY = 0
const GZIP = 1

const MD5_BYTES = 16
const SHA256_BYTES = 32

type Content = Pick<
  Extract<PlacedAttachment, { kind: 'content' }>['content'],
  'md5' | 'length' | 'encodedLength' | 'encoding'
>

export function writeAttachments(writer: ByteWriter, attachments: readonly PlacedAttachment[]): void {
  writer.number(attachments.length)
  for (const attachment of attachments) {
    if (attachment.kind === 'stub') writeStub(writer, attachment)
    else if (attachment.kind === 'stored') writeStored(writer, attachment)
    else writeContent(writer, attachment)
  }
}

function writeStub(writer: ByteWriter, { name, revpos }: Extract<PlacedAttachment, { kind: 'stub' }>): void {
  writer.u8(STUB)
  writeText(writer, name)
  writer.u8(revpos === undefined ? 0 : 1)
  if (revpos !== undefined) writer.number(revpos)
}

function writeStored(writer: ByteWriter, { info }: Extract<PlacedAttachment, { kind: 'stored' }>): void {
  writer.u8(STORED)
  writeText(writer, info.name)
  writeText(writer, info.type)
  writeMeasures(writer, info)
  writer.number(info.revpos)
  writer.bytes(info.reference)
  writeFile(writer, info.source)
}

function writeContent(
  writer: ByteWriter,
  { name, type, content, revpos }: Extract<PlacedAttachment, { kind: 'content' }>,
): void {
  const { stored } = content
  writer.u8('bytes' in stored ? IN_MEMORY : IN_FILE)
  writeText(writer, name)
  writeText(writer, type)
  writeMeasures(writer, content)
  writer.number(revpos)
  writer.bytes(content.sha256)
  if ('bytes' in stored) {
    writer.number(stored.bytes.length)
    writer.bytes(stored.bytes)
  } else {
    writer.bytes(stored.reference)
    writeFile(writer, stored.source)
  }
}

function writeMeasures(writer: ByteWriter, content: Content): void {
  writer.bytes(content.md5)
  writer.number(content.length)
  writer.number(content.encodedLength)
  writer.u8(content.encoding === 'gzip' ? GZIP : IDENTITY)
}

function writeFile(writer: ByteWriter, file: ReferenceFile | undefined): void {
  writer.u8(file === undefined ? 0 : 1)
  if (file !== undefined) writer.u64(file.salt)
}

/** What is answered are views. Throws ByteFormatError. */
export function readAttachments(reader: ByteReader): PlacedAttachment[] {
  const attachments: PlacedAttachment[] = []
  for (let left = reader.number(); left > 0; left--) attachments.push(readAttachment(reader))
  return attachments
}

function readAttachment(reader: ByteReader): PlacedAttachment {
  const kind = reader.u8()
  if (kind > IN_FILE) throw new ByteFormatError(`unknown kind of attachment: ${kind}`)
  const name = readText(reader)
  if (kind === STUB) return { kind: 'stub', name, revpos: isTold(reader) ? reader.number() : undefined }
  const type = readText(reader)
  const measures = readMeasures(reader)
  const revpos = reader.number()
  if (kind === STORED) {
    const reference = reader.bytes(REFERENCE_BYTES)
    return { kind: 'stored', info: { name, type, ...measures, revpos, reference, source: readFile(reader) } }
  }
  const sha256 = reader.bytes(SHA256_BYTES)
  if (kind === IN_MEMORY) {
    const stored = { bytes: reader.bytes(reader.number()) }
    return { kind: 'content', name, type, content: { ...measures, sha256, stored }, revpos }
  }
  const reference = reader.bytes(REFERENCE_BYTES)
  const source = readFile(reader)
  if (source === undefined) throw new ByteFormatError('content without its file')
  return {
    kind: 'content',
    name,
    type,
    content: { ...measures, sha256, stored: { reference, source } },
    revpos,
  }
}

function readMeasures(reader: ByteReader): Content {
  const md5 = reader.bytes(MD5_BYTES)
  const length = reader.number()
  const encodedLength = reader.number()
  const encoding: AttachmentEncoding = isTold(reader) ? 'gzip' : 'identity'
  return { md5, length, encodedLength, encoding }
}

function readFile(reader: ByteReader): ReferenceFile | undefined {
  return isTold(reader) ? { salt: reader.u64() } : undefined
}

function isTold(reader: ByteReader): boolean {
  const mark = reader.u8()
  if (mark > 1) throw new ByteFormatError(`neither yes nor no: ${mark}`)
  return mark === 1
}
