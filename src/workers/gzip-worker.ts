/** Packs streams in a thread: see `gzip.ts`. Resolves when there are no more of them. */
import { Deflate } from 'pako'
import type { GzipJob, GzipLevel, GzipReply, GzipRequest } from './gzip-job.ts'

/** One stream. Its output is held until it is taken. */
class Packing {
  readonly #deflate: Deflate
  #packed: Uint8Array<ArrayBuffer>[] = []

  constructor(level: GzipLevel) {
    this.#deflate = new Deflate({ level, gzip: true })
    this.#deflate.onData = (chunk) => {
      this.#packed.push(chunk as Uint8Array<ArrayBuffer>)
    }
    // pako gathers its output as its result, which nobody asks for.
    this.#deflate.onEnd = () => {}
  }

  /** What there is of the packed bytes; the rest of them with `last`. Throws where DEFLATE fails. */
  take(piece: Uint8Array, last: boolean): Uint8Array<ArrayBuffer>[] {
    if (!this.#deflate.push(piece, last)) throw new Error(`deflate failed: ${this.#deflate.err}`)
    const packed = this.#packed
    this.#packed = []
    return packed
  }
}

export default function packStreams({ port }: GzipJob): Promise<void> {
  const streams = new Map<number, Packing>()
  const answer = (stream: number, piece: Uint8Array, last: boolean): void => {
    const packed = streams.get(stream)!.take(piece, last)
    const reply: GzipReply = { stream, packed }
    port.postMessage(
      reply,
      packed.map(({ buffer }) => buffer),
    )
  }
  return new Promise<void>((resolve, reject) => {
    port.on('message', (request: GzipRequest) => {
      try {
        if (request.kind === 'open') streams.set(request.stream, new Packing(request.level))
        else if (request.kind === 'piece') answer(request.stream, request.piece, false)
        else if (request.kind === 'finish') answer(request.stream, new Uint8Array(0), true)
        else if (request.kind === 'close') streams.delete(request.stream)
        else resolve()
      } catch (error) {
        reject(error)
      }
    })
  }).finally(() => port.close())
}
