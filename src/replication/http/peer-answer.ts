/**
 * What a peer answers: read as it comes, unpacked, and ended where it breaks off or comes in a trickle. No error repeats what may
 * hold a password.
 */
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Clock } from '../../base/clock.ts'
import { ReplicationError } from '../api.ts'

export interface PeerAnswer {
  readonly status: number
  readonly type: string
  /** To be read to its end, or closed. Throws `BrokenAnswer` where it breaks off. */
  readonly body: AsyncIterable<Buffer>
  close(): void
}

/** An answer broke off, or is none: the request may be repeated. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer'
}

/** Nobody asks for packed answers; some peers, or what stands before them, pack all the same. */
export function plainBody(body: Readable, coding: string): AsyncIterable<Buffer> {
  return /^(?:x-)?gzip$/i.test(coding.trim()) ? unpacked(body) : body
}

async function* unpacked(body: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  // What comes in a packed stream of heartbeats is to be seen at once: `pipe` hands on each piece.
  body.on('error', (error) => gunzip.destroy(error))
  body.pipe(gunzip)
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } finally {
    gunzip.destroy()
    body.destroy()
  }
}

export interface Pace {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly timeoutMs: number
  readonly leastRate: number
  readonly onEnd: () => void
}

/** Ends a body that comes in a trickle: what the reader takes for itself does not count. */
export async function* steadily(
  body: AsyncIterable<Buffer>,
  { clock, timeoutMs, leastRate, onEnd }: Pace,
): AsyncGenerator<Buffer> {
  let waitedMs = 0
  let bytes = 0
  let startMs = clock.monotonic()
  try {
    for await (const chunk of body) {
      waitedMs += clock.monotonic() - startMs
      bytes += chunk.length
      if (waitedMs > timeoutMs && bytes < (waitedMs / 1000) * leastRate)
        throw new BrokenAnswer('an answer in a trickle')
      yield chunk
      startMs = clock.monotonic()
    }
  } catch (error) {
    throw error instanceof BrokenAnswer ? error : new BrokenAnswer(toldReason(error), { cause: error })
  } finally {
    onEnd()
  }
}

/** Throws BrokenAnswer, and ReplicationError for a longer one. */
export async function readAll({ body }: Pick<PeerAnswer, 'body'>, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > mostBytes) {
      throw new ReplicationError({
        error: 'answer_too_large',
        reason: `A peer's answer is longer than ${mostBytes} bytes.`,
        status: 500,
        isTransient: true,
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

/** Gives the turn back when the answer has been read or closed. */
export function withEnd(answer: PeerAnswer, end: () => void): PeerAnswer {
  return {
    status: answer.status,
    type: answer.type,
    body: endingWith(answer.body, end),
    close() {
      end()
      answer.close()
    },
  }
}

async function* endingWith(body: AsyncIterable<Buffer>, end: () => void): AsyncGenerator<Buffer> {
  try {
    yield* body
  } finally {
    end()
  }
}

export function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? (header[0] ?? '') : (header ?? '')
}

/** Seconds or a date. */
export function retryAfterMs(text: string, nowMs: number): number | undefined {
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const at = text === '' ? Number.NaN : Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}

/** Codes and words of our own: an error's message may repeat a URL. */
export function toldReason(error: unknown): string {
  if (error instanceof BrokenAnswer) return error.message
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  return cause instanceof Error ? toldReason(cause) : 'the connection failed'
}
