import { DatabaseError } from '../base/errors.ts'
import type { Steps } from '../base/time-slice.ts'
import {
  DEFAULT_CONTENT_TYPE,
  descriptionBytes,
  MOST_DESCRIPTION_BYTES,
} from '../database/layout/attachment-records.ts'
import { objectMembers } from '../json/members.ts'
import { isUtf8 } from './characters.ts'

/** One member of `_attachments`, as CouchDB's couch_att.erl reads it. */
export type AttachmentInput =
  | { kind: 'stub'; name: string; revpos: number | undefined }
  | { kind: 'inline'; name: string; type: string; revpos: number; data: Buffer }
  | FollowingInput

/** Its bytes come in a part of their own. */
export interface FollowingInput {
  kind: 'follows'
  name: string
  type: string
  revpos: number
  encoding: 'identity' | 'gzip'
  /** Of the unpacked bytes. */
  length: number | undefined
  /** Of the bytes in the part. */
  encodedLength: number | undefined
  /** Of the bytes in the part. */
  md5: Buffer | undefined
}

const OPEN_BRACE = 0x7b
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MD5_BYTES = 16
const STEP_ATTACHMENTS = 64
/** Whole groups of four. */
const STEP_DIGITS = 256 * 1024

/** Throws badRequest. */
export function checkAttachmentName(name: string): void {
  if (!isUtf8(name)) throw bad('Attachment name is not UTF-8 encoded')
  if (name.startsWith('_')) throw bad(`Attachment name '${name}' starts with prohibited character '_'`)
}

/**
 * `text` is the canonical text of the object `_attachments` of the document `id`. Throws badRequest, and
 * documentTooLarge for more attachments than a document may have.
 */
export function* attachmentSteps(text: Buffer, id: string): Steps<AttachmentInput[]> {
  const inputs: AttachmentInput[] = []
  let descriptions = 0
  for (const [name, value] of objectMembers(text)) {
    descriptions += descriptionBytes(name)
    if (descriptions > MOST_DESCRIPTION_BYTES) throw new DatabaseError('documentTooLarge', id)
    checkAttachmentName(name)
    if (value[0] !== OPEN_BRACE) throw invalidData(name)
    inputs.push(yield* oneSteps(name, new Map(objectMembers(value))))
    if (inputs.length % STEP_ATTACHMENTS === 0) yield
  }
  return inputs
}

function* oneSteps(name: string, members: Map<string, Buffer>): Steps<AttachmentInput> {
  const is = (member: string): boolean => members.get(member)?.toString('latin1') === 'true'
  const revpos = revposOf(members.get('revpos'))
  if (is('stub')) return { kind: 'stub', name, revpos }
  const given = Math.max(0, revpos ?? 0)
  const type = contentType(name, members.get('content_type'))
  if (is('follows')) return { kind: 'follows', name, type, revpos: given, ...encodingOf(name, members) }
  const data = yield* base64Steps(members.get('data'))
  if (data === undefined) throw invalidData(name)
  return { kind: 'inline', name, type, revpos: given, data }
}

function encodingOf(
  name: string,
  members: Map<string, Buffer>,
): Pick<FollowingInput, 'encoding' | 'length' | 'encodedLength' | 'md5'> {
  const length = integer(name, members.get('length'))
  const encoding = textOf(members.get('encoding')) ?? 'identity'
  if (encoding !== 'gzip' && encoding !== 'identity') throw bad(`Invalid attachment encoding for ${name}`)
  const encodedLength =
    encoding === 'gzip' ? (integer(name, members.get('encoded_length')) ?? length) : length
  const digest = textOf(members.get('digest'))
  const given = digest?.startsWith('md5-') ? Buffer.from(digest.slice('md5-'.length), 'base64') : undefined
  const md5 = given?.length === MD5_BYTES ? given : undefined
  if (given !== undefined && md5 === undefined) throw bad(`Invalid attachment digest for ${name}`)
  return { encoding, length, encodedLength, md5 }
}

function contentType(name: string, value: Buffer | undefined): string {
  if (value === undefined) return DEFAULT_CONTENT_TYPE
  const text = textOf(value)
  if (text === undefined) throw bad(`Invalid attachment content_type for ${name}`)
  return text
}

/** A float will do where it is whole, as CouchDB compares; what is no such number is that of no attachment. */
function revposOf(value: Buffer | undefined): number | undefined {
  if (value === undefined) return undefined
  const text = value.toString('latin1')
  return /^\d{1,15}(?:\.0)?$/.test(text) ? Number(text) : -1
}

function integer(name: string, value: Buffer | undefined): number | undefined {
  if (value === undefined) return undefined
  const text = value.toString('latin1')
  if (!/^\d{1,15}$/.test(text)) throw bad(`Invalid attachment length for ${name}`)
  return Number(text)
}

function textOf(value: Buffer | undefined): string | undefined {
  return value?.[0] === QUOTE ? (JSON.parse(value.toString()) as string) : undefined
}

/** By byte: the digits of base64 0, white space 1, `=` 2, all others 3. */
const KINDS = new Uint8Array(256).fill(3)
for (const digit of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')) {
  KINDS[digit] = 0
}
for (const space of Buffer.from(' \t\r\n')) KINDS[space] = 1
KINDS['='.charCodeAt(0)] = 2

/** As Erlang's `base64:decode`: padding is a must, white space is skipped. Undefined for anything else. */
function* base64Steps(value: Buffer | undefined): Steps<Buffer | undefined> {
  if (value?.[0] !== QUOTE) return undefined
  const text = value.includes(BACKSLASH)
    ? Buffer.from(JSON.parse(value.toString()) as string)
    : value.subarray(1, value.length - 1)
  let count = 0
  let padding = 0
  for (let i = 0; i < text.length; i++) {
    const kind = KINDS[text[i]!]!
    if (kind === 3 || (kind === 0 && padding > 0)) return undefined
    if (kind === 0) count += 1
    else if (kind === 2) padding += 1
    if (i % STEP_DIGITS === STEP_DIGITS - 1) yield
  }
  if (padding > 2 || (count + padding) % 4 !== 0) return undefined
  const digits = count + padding === text.length ? text : yield* withoutSpace(text, count)
  const data = Buffer.allocUnsafe(Math.floor((count * 3) / 4))
  for (let from = 0, to = 0; from < count; from += STEP_DIGITS) {
    if (from > 0) yield
    to += data.write(digits.toString('latin1', from, Math.min(from + STEP_DIGITS, count)), to, 'base64')
  }
  return data
}

function* withoutSpace(text: Buffer, count: number): Steps<Buffer> {
  const digits = Buffer.allocUnsafe(count)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const byte = text[i]!
    if (KINDS[byte] === 0) {
      digits[length] = byte
      length += 1
    }
    if (i % STEP_DIGITS === STEP_DIGITS - 1) yield
  }
  return digits
}

function invalidData(name: string): DatabaseError {
  return bad(`Invalid attachment data for ${name}`)
}

function bad(reason: string): DatabaseError {
  return new DatabaseError('badRequest', reason)
}
