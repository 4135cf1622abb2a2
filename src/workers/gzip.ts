/**
 * Attachments gzipped as Apache CouchDB stores them. Their digests, and so the revision ids of their documents, are
 * of the packed bytes, and those are what the DEFLATE of stock zlib makes; Node's own zlib is another build and
 * makes others. So pako is used, a port of stock zlib: 2.x, since 3.x chooses other matches. The bytes do not depend
 * on the pieces in which the content comes.
 *
 * What fits into one piece is packed at once. Anything longer is packed in threads, a piece of it at a time: a thread
 * serves many streams in turns, so that an upload that comes slowly holds up no other, and of each stream one piece is
 * on its way. A thread that fails fails the streams that it serves.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { DatabaseError } from '../base/errors.ts'
import { giveWay } from '../base/time-slice.ts'
import type { GzipJob, GzipLevel, GzipReply, GzipRequest } from './gzip-job.ts'
import { WorkerPool, type WorkerPoolOptions } from './pool.ts'

const WORKER = new URL('./gzip-worker.js', import.meta.url).href
/** About three milliseconds of packing. */
const PIECE_BYTES = 32 * 1024
/** Each holds about 300 KiB. */
const MOST_STREAMS = 256
const MOST_THREADS = 8

export class GzipThreads {
  readonly #pool: WorkerPool
  readonly #threads = new Set<GzipThread>()
  readonly #mostStreams: number
  readonly #ending = new AbortController()

  /** `mostStreams` are those at once, in all threads. */
  constructor(options: WorkerPoolOptions, mostStreams = MOST_STREAMS) {
    this.#pool = new WorkerPool(options)
    this.#mostStreams = mostStreams
  }

  /**
   * The gzip of `source`. Throws what the source throws, and serviceUnavailable where too many
   * streams are being packed or the thread fails.
   */
  async *pack(source: AsyncIterable<Uint8Array>, level: GzipLevel): AsyncGenerator<Uint8Array, void, void> {
    const pieces = piecesOf(source)
    const first = await pieces.next()
    const bytes = first.done === true ? new Uint8Array(0) : first.value
    if (bytes.length < PIECE_BYTES) {
      // Loaded when there is something to pack: a module takes memory in each thread that has it.
      const { gzip } = await import('pako')
      await giveWay()
      yield gzip(bytes, { level })
      return
    }
    const stream = this.#thread().open(level)
    try {
      yield* await stream.push(bytes)
      for await (const piece of pieces) yield* await stream.push(piece)
      yield* await stream.finish()
    } finally {
      stream.close()
      await pieces.return()
    }
  }

  /** Ends the threads; what is being packed fails. */
  async close(): Promise<void> {
    this.#ending.abort()
    await this.#pool.destroy()
  }

  /** The one with the least to do. Throws serviceUnavailable. */
  #thread(): GzipThread {
    const threads = [...this.#threads].sort((a, b) => a.streams - b.streams)
    const streams = threads.reduce((sum, thread) => sum + thread.streams, 0)
    if (streams >= this.#mostStreams) {
      throw new DatabaseError('serviceUnavailable', 'Too many attachments are being compressed.')
    }
    const [idlest] = threads
    const most = Math.min(this.#pool.size, MOST_THREADS)
    if (idlest !== undefined && threads.length >= most) return idlest
    const thread = new GzipThread(this.#pool, this.#ending.signal, () => this.#threads.delete(thread))
    this.#threads.add(thread)
    return thread
  }
}

interface GzipStream {
  /** What there is of the packed bytes by then. `piece` is gone afterwards. */
  push(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array[]>
  /** The rest of them. */
  finish(): Promise<Uint8Array[]>
  /** To be called once, however the stream ends. */
  close(): void
}

interface Waiting {
  resolve(packed: Uint8Array[]): void
  reject(error: Error): void
}

/** The main thread's end of one worker's job, which lasts as long as it has streams. */
class GzipThread {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, Waiting>()
  readonly #onEnd: () => void
  #opened = 0
  #failure: DatabaseError | undefined
  streams = 0

  /** `onEnd` is called when it serves no new streams any more. */
  constructor(pool: WorkerPool, signal: AbortSignal, onEnd: () => void) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#onEnd = onEnd
    port1.on('message', ({ stream, packed }: GzipReply) => {
      this.#waiting.get(stream)?.resolve(packed)
      this.#waiting.delete(stream)
    })
    const job: GzipJob = { port: port2 }
    pool.run(WORKER, job, { transfer: [port2], signal }).then(
      () => this.#end(),
      (error: unknown) => this.#end(error),
    )
  }

  open(level: GzipLevel): GzipStream {
    this.#opened += 1
    this.streams += 1
    const stream = this.#opened
    this.#send({ kind: 'open', stream, level }, [])
    return {
      push: (piece) => this.#ask({ kind: 'piece', stream, piece }, piece.buffer),
      finish: () => this.#ask({ kind: 'finish', stream }),
      close: () => this.#closed(stream),
    }
  }

  #closed(stream: number): void {
    this.#waiting.delete(stream)
    this.streams -= 1
    this.#send({ kind: 'close', stream }, [])
    if (this.streams > 0) return
    this.#onEnd()
    this.#send({ kind: 'end' }, [])
  }

  #ask(request: Extract<GzipRequest, { stream: number }>, buffer?: ArrayBuffer): Promise<Uint8Array[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      this.#waiting.set(request.stream, { resolve, reject })
      this.#send(request, buffer === undefined ? [] : [buffer])
    })
  }

  #send(request: GzipRequest, transfer: ArrayBuffer[]): void {
    this.#port.postMessage(request, transfer)
  }

  #end(cause?: unknown): void {
    this.#failure = new DatabaseError('serviceUnavailable', 'The attachment could not be compressed.', {
      cause,
    })
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
    this.#port.close()
    this.#onEnd()
  }
}

/** The bytes of `source` in memory of their own, `PIECE_BYTES` at a time. */
async function* piecesOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let piece = new Uint8Array(PIECE_BYTES)
  let used = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.subarray(at, at + PIECE_BYTES - used)
      piece.set(taken, used)
      used += taken.length
      at += taken.length
      if (used < PIECE_BYTES) continue
      yield piece
      piece = new Uint8Array(PIECE_BYTES)
      used = 0
    }
  }
  if (used > 0) yield piece.slice(0, used)
}
