/**
 * A value that comes in pieces, of any length, appended in chunks and an index of them. A compaction may give the
 * store another file meanwhile: then the chunks that the old one has are copied, so that value and index lie in
 * one file, the one that is current when the index is appended.
 */
import type { Reference } from '../api.ts'
import { bytesOf } from '../arguments.ts'
import { StorageError } from '../errors.ts'
import type { OpenFile } from './open-file.ts'

/** Bytes of a streamed value in one record. */
const CHUNK_BYTES = 128 * 1024
/** Their references must fit in one group. */
const MAX_CHUNKS = 2 * 1024 * 1024

interface Chunk {
  reference: Reference
  file: OpenFile
}

interface Target {
  current(): OpenFile
  append(bytes: Uint8Array): Promise<Chunk>
  /** Undefined when `file` is no longer current: nothing was appended then. */
  appendIndex(
    file: OpenFile,
    references: readonly Reference[],
    length: number,
  ): Promise<Reference | undefined>
}

/** Throws VALUE_TOO_LARGE, and what the source and the writer throw. */
export async function appendStream(source: AsyncIterable<Uint8Array>, target: Target): Promise<Reference> {
  const chunks = new Chunks(target)
  try {
    let total = 0
    for await (const bytes of inChunks(source)) {
      if (chunks.count >= MAX_CHUNKS) {
        throw new StorageError('VALUE_TOO_LARGE', `a stream of more than ${total} bytes`)
      }
      total += bytes.length
      await chunks.add(bytes)
    }
    if (chunks.count === 0) await chunks.add(new Uint8Array(0))
    return await chunks.finish(total)
  } finally {
    chunks.release()
  }
}

async function* inChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const given of source) {
    const piece = bytesOf('a piece of a stream', given)
    for (let at = 0; at < piece.length; ) {
      const taken = Buffer.from(piece.subarray(at, at + CHUNK_BYTES - pendingBytes))
      pending.push(taken)
      pendingBytes += taken.length
      at += taken.length
      if (pendingBytes < CHUNK_BYTES) continue
      yield pending.length === 1 ? taken : Buffer.concat(pending)
      pending = []
      pendingBytes = 0
    }
  }
  if (pendingBytes > 0) yield pending.length === 1 ? pending[0]! : Buffer.concat(pending)
}

class Chunks {
  readonly #target: Target
  readonly #chunks: Chunk[] = []
  /** Files that hold chunks, kept open. */
  readonly #pins = new Map<OpenFile, () => void>()

  constructor(target: Target) {
    this.#target = target
  }

  get count(): number {
    return this.#chunks.length
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(await this.#append(bytes))
  }

  async #append(bytes: Uint8Array): Promise<Chunk> {
    const chunk = await this.#target.append(bytes)
    if (!this.#pins.has(chunk.file)) this.#pins.set(chunk.file, chunk.file.pin())
    return chunk
  }

  async finish(length: number): Promise<Reference> {
    for (;;) {
      await this.#gather()
      const { file, reference } = this.#chunks[0]!
      if (this.#chunks.length === 1) return reference
      const references = this.#chunks.map((chunk) => chunk.reference)
      const index = await this.#target.appendIndex(file, references, length)
      if (index !== undefined) return index
    }
  }

  /** Copies into the current file what is not there; when this resolves all chunks are. */
  async #gather(): Promise<void> {
    for (let i = 0; i < this.#chunks.length; ) {
      const { file, reference } = this.#chunks[i]!
      if (file !== this.#target.current()) this.#chunks[i] = await this.#append(file.values.read(reference))
      // Another compaction may have ended while the chunk was copied: then all are looked at again.
      i = this.#chunks[i]!.file === this.#chunks[0]!.file ? i + 1 : 0
    }
  }

  release(): void {
    for (const unpin of this.#pins.values()) unpin()
  }
}
