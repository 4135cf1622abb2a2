/**
 * Attachments' bytes on their way into the store and out of it. In: hashed, measured and where asked for
 * packed as they come; up to `IN_MEMORY_BYTES` they wait for the transaction that names them, beyond that
 * they are appended to the file in chunks, durable with that transaction. What an upload leaves behind that
 * fails, or whose document is refused, is named by nothing and goes with the next compaction.
 *
 * Equal content is stored once: the tree `attachments` leads from the SHA-256 of the stored bytes to their
 * reference (md5 would not do: whoever can make two contents of one md5 could be served the other). A long
 * upload is recognised only at its end, so its second copy is in the file until the next compaction, named
 * by nothing. Nothing counts references: a compaction copies what revisions refer to, and of this tree the
 * entries whose reference it copied.
 */
import { createHash } from 'node:crypto'
import { pipeline, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Reference, Transaction, ValueSource } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import {
  type AttachmentContent,
  type AttachmentEncoding,
  type AttachmentInfo,
  type ReferenceFile,
  referenceOfEntry,
} from '../layout/attachment-records.ts'
import { TREES, VALUE_VERSION } from '../layout/layout.ts'

const IN_MEMORY_BYTES = 64 * 1024
const SLICE_BYTES = 64 * 1024
/** What is hashed before others get a turn. */
const TURN_BYTES = 1024 * 1024

export interface IncomingAttachment {
  name: string
  /** Of the bytes of the source. */
  encoding: AttachmentEncoding
  /** With gzip: what the sender says the unpacked length is. */
  length?: number | undefined
  /** An identity source is stored gzipped by this; undefined to store it as it is. */
  pack?: Pack | undefined
  /** Most bytes of the source. */
  maxBytes: number
  /** What the source's md5 must be. */
  md5?: Uint8Array | undefined
}

/** The gzip of the source's bytes, which must be the same whatever pieces they come in. */
export type Pack = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** Counts and hashes what passes. */
class Meter {
  readonly #md5 = createHash('md5')
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  async *through(source: ByteSource, maxBytes: number, name: string): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#bytes += chunk.length
      if (this.#bytes > maxBytes) throw new DatabaseError('attachmentTooLarge', name)
      this.#md5.update(chunk)
      yield chunk
    }
  }

  md5(): Buffer {
    return this.#md5.digest()
  }
}

/** Appends to the file, as `Store.appendStream`; resolves with the reference and the file that it belongs to. */
export type AppendContent = (
  source: AsyncIterable<Uint8Array>,
) => Promise<{ reference: Reference; source: ValueSource }>

/**
 * Takes in the bytes of one attachment. Throws attachmentTooLarge, digestMismatch, badRequest for
 * gzip that is none or of another length, and whatever the source
 * throws; then nothing names what was stored.
 */
export async function takeAttachment(
  append: AppendContent,
  source: ByteSource,
  incoming: IncomingAttachment,
): Promise<AttachmentContent> {
  const { name, maxBytes, pack } = incoming
  const received = new Meter()
  const unpacked = { length: 0 }
  const measured = received.through(slicesOf(source), maxBytes, name)
  const plain = incoming.encoding === 'gzip' ? checkedGzip(measured, unpacked) : measured
  const packs = incoming.encoding === 'identity' && pack !== undefined
  const kept = packs ? new Meter() : received
  const packed = packs ? kept.through(pack(plain), Number.POSITIVE_INFINITY, name) : plain
  const sha256 = createHash('sha256')
  const stored = await keep(append, packed, sha256)
  const identityMd5 = received.md5()
  if (incoming.md5 !== undefined && !identityMd5.equals(incoming.md5))
    throw new DatabaseError('digestMismatch')
  if (incoming.encoding === 'gzip' && (incoming.length ?? unpacked.length) !== unpacked.length) {
    throw new DatabaseError('badRequest', `The length of the attachment ${name} is not what was said`)
  }
  const gzip = packs || incoming.encoding === 'gzip'
  const unpackedLength = packs ? received.bytes : (incoming.length ?? received.bytes)
  return {
    md5: packs ? kept.md5() : identityMd5,
    sha256: sha256.digest(),
    length: gzip ? unpackedLength : received.bytes,
    encodedLength: kept.bytes,
    encoding: gzip ? 'gzip' : 'identity',
    stored,
  }
}

/** A source may give all of an attachment at once: others get their turn between its slices. */
async function* slicesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  let bytesInTurn = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
      const slice = chunk.subarray(at, at + SLICE_BYTES)
      bytesInTurn += slice.length
      if (bytesInTurn > TURN_BYTES) {
        bytesInTurn = 0
        await new Promise((resolve) => setImmediate(resolve))
      }
      yield slice
    }
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.once('drain', () => resolve()))
}

/** Passes gzipped bytes on, once they are seen to be such. Throws badRequest. */
async function* checkedGzip(
  source: AsyncIterable<Uint8Array>,
  unpacked: { length: number },
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  gunzip.on('data', (chunk: Buffer) => {
    unpacked.length += chunk.length
  })
  const done = finished(gunzip).catch((error: unknown) => {
    throw new DatabaseError('badRequest', 'Attachment is not properly gzipped.', { cause: error })
  })
  done.catch(() => {})
  try {
    for await (const chunk of source) {
      if (!gunzip.write(chunk)) await Promise.race([drained(gunzip), done])
      yield chunk
    }
    gunzip.end()
    await done
  } finally {
    gunzip.destroy()
  }
}

async function keep(
  append: AppendContent,
  source: AsyncIterator<Uint8Array> & AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): Promise<AttachmentContent['stored']> {
  const first: Uint8Array[] = []
  let bytes = 0
  while (bytes <= IN_MEMORY_BYTES) {
    const step = await source.next()
    if (step.done === true) return { bytes: Buffer.concat(first, bytes) }
    hash.update(step.value)
    first.push(Buffer.from(step.value))
    bytes += step.value.length
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* first.splice(0)
    for await (const chunk of source) {
      hash.update(chunk)
      yield chunk
    }
  }
  return append(all())
}

/** Names the content in the transaction, by the reference of equal content where there is some. */
export function nameContent(tx: Transaction, content: AttachmentContent<ReferenceFile>): Reference {
  const known = tx.get(TREES.attachments, content.sha256)
  if (known !== undefined) return referenceOfEntry(known)
  const { stored } = content
  const reference = 'bytes' in stored ? tx.append(stored.bytes) : stored.reference
  tx.put(TREES.attachments, content.sha256, Buffer.concat([Buffer.from([VALUE_VERSION]), reference]))
  return reference
}

export interface ContentReader {
  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void>
}

/** The stored bytes, `start` (inclusive) to `end` (exclusive), verified as they are read. */
export function storedBytes(
  store: ContentReader,
  info: AttachmentInfo,
  start?: number,
  end?: number,
): AsyncIterable<Uint8Array> {
  return store.readStream(info.reference, start, end)
}

/** The bytes as a client that knows no gzip sees them. */
export async function* plainBytes(
  store: ContentReader,
  info: AttachmentInfo,
): AsyncGenerator<Uint8Array, void, void> {
  const stored = store.readStream(info.reference)
  if (info.encoding !== 'gzip') {
    yield* stored
    return
  }
  const unpacked = createGunzip()
  // The errors of either end the other.
  pipeline(stored, unpacked, () => {})
  yield* unpacked as AsyncIterable<Buffer>
}
