/**
 * Documents in a `multipart/mixed` answer of `_bulk_get` or `open_revs`, each JSON or a `multipart/related` of its own. What holds: no
 * more is held than one document's JSON and one piece of an attachment; what is not read of a document is skipped.
 */
import { DatabaseError } from '../../base/errors.ts'
import {
  boundaryOf,
  MultipartReader,
  parameterOf,
  type ReceivedPart,
} from '../../documents/multipart-reader.ts'
import type { TransferredDocument } from '../endpoint.ts'
import { readTransferred } from './document-texts.ts'
import { BrokenAnswer, type PeerAnswer } from './peer-answer.ts'

export type PartOutcome =
  | { readonly kind: 'document'; readonly document: TransferredDocument }
  /** `{"id", "rev", "error", "reason"}`, or `{"missing": REV}`. */
  | { readonly kind: 'error'; readonly members: Readonly<Record<string, unknown>> }
  /** What no document can be made of; its id may be unknown. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Bytes that no document is made of: before, between and behind them. */
const MOST_SKIPPED_BYTES = 16 * 1024 * 1024

/** Throws BrokenAnswer. */
export async function* documentParts(
  answer: PeerAnswer,
  mostBytes: number,
): AsyncGenerator<PartOutcome, void, void> {
  // Of what is received up to a document; its attachments have lengths.
  const room = { bytes: Number.POSITIVE_INFINITY }
  const reader = broken(() => new MultipartReader(received(answer.body, room), boundaryOf(answer.type)))
  try {
    for (;;) {
      room.bytes = mostBytes + MOST_SKIPPED_BYTES
      const part = await brokenLater(reader.nextPart())
      if (part === undefined) return
      const outcome = await brokenLater(outcomeOf(part, mostBytes))
      room.bytes = Number.POSITIVE_INFINITY
      yield outcome
    }
  } finally {
    answer.close()
  }
}

async function outcomeOf(part: ReceivedPart, mostBytes: number): Promise<PartOutcome> {
  const type = part.headers.get('content-type') ?? 'application/json'
  if (/;\s*error="?true"?/i.test(type)) {
    const text = await wholeText(part.body, mostBytes)
    return { kind: 'error', members: membersOf(text) }
  }
  if (!/^multipart\//i.test(type)) {
    const text = await wholeText(part.body, mostBytes)
    return text === undefined ? tooLarge() : documentOf(text)
  }
  const inner = new MultipartReader(part.body, boundaryOf(type))
  const first = await inner.nextPart()
  if (first === undefined) throw new BrokenAnswer('a document without parts')
  const text = await wholeText(first.body, mostBytes)
  if (text === undefined) return tooLarge()
  return documentOf(text, inner)
}

async function documentOf(text: Buffer, inner?: MultipartReader): Promise<PartOutcome> {
  try {
    const names = new Set<string>()
    const follow = (name: string, encodedLength: number) => {
      names.add(name)
      return () => partBytes(inner, name, names, encodedLength)
    }
    return { kind: 'document', document: await readTransferred(text, follow) }
  } catch (error) {
    if (error instanceof DatabaseError && error.kind !== 'invalidJson') {
      return { kind: 'unreadable', reason: error.reason }
    }
    throw error
  }
}

/**
 * The bytes of the next part, which is to be this attachment's. A name that no attachment has says nothing: CouchDB writes names into
 * headers as they are, quotation marks included.
 */
async function* partBytes(
  inner: MultipartReader | undefined,
  name: string,
  names: ReadonlySet<string>,
  encodedLength: number,
): AsyncGenerator<Buffer> {
  const part = inner && (await brokenLater(inner.nextPart()))
  if (part === undefined) throw new BrokenAnswer('an attachment that is missing')
  const said = parameterOf(part, 'filename')
  if (said !== undefined && said !== name && names.has(said))
    throw new BrokenAnswer('attachments in another order')
  let left = encodedLength
  try {
    for await (const chunk of part.body) {
      left -= chunk.length
      if (left < 0) throw new BrokenAnswer('an attachment that is longer than it said')
      yield chunk
    }
  } catch (error) {
    throw asBroken(error)
  }
  if (left > 0) throw new BrokenAnswer('an attachment that is shorter than it said')
}

/** Undefined for a longer one. */
async function wholeText(body: AsyncIterable<Buffer>, mostBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > mostBytes) return undefined
    chunks.push(chunk)
  }
  // The canonical text may be a view of it, and what was received lies in a connection's buffers.
  return Buffer.concat(chunks, bytes)
}

function tooLarge(): PartOutcome {
  return { kind: 'unreadable', reason: 'A document is too large.' }
}

function membersOf(text: Buffer | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text?.toString() ?? '')
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw new BrokenAnswer('an error that is no JSON')
}

async function* received(body: AsyncIterable<Buffer>, room: { bytes: number }): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    room.bytes -= chunk.length
    if (room.bytes < 0) throw new BrokenAnswer('an answer without documents')
    yield chunk
  }
}

function asBroken(error: unknown): unknown {
  return error instanceof DatabaseError ? new BrokenAnswer(error.reason) : error
}

function broken<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw asBroken(error)
  }
}

async function brokenLater<T>(made: Promise<T>): Promise<T> {
  try {
    return await made
  } catch (error) {
    throw asBroken(error)
  }
}
