/** What both sides of a replication ask of a database behind HTTP. */
import { ReplicationError } from '../api.ts'
import type { Endpoint, EndpointInfo, LocalRecord } from '../endpoint.ts'
import type { Peer, PeerRequest } from './peer.ts'

export interface PeerDatabaseOptions {
  readonly peer: Peer
  /** As it is shown. */
  readonly shown: string
  /** Bytes of one document's JSON. */
  readonly mostDocumentBytes: number
}

/** Of an answer that lists a bounded number of things, and of a checkpoint. */
export const MOST_ANSWER_BYTES = 64 * 1024 * 1024

/** Writes of our own whose answers were lost, one after the other. */
const MOST_CONFLICTS = 5

export class PeerDatabase implements Endpoint {
  readonly shown: string
  protected readonly peer: Peer
  protected readonly mostDocumentBytes: number

  constructor({ peer, shown, mostDocumentBytes }: PeerDatabaseOptions) {
    this.peer = peer
    this.shown = shown
    this.mostDocumentBytes = mostDocumentBytes
  }

  async info(signal: AbortSignal): Promise<EndpointInfo> {
    const { status, value } = await this.ask({ method: 'GET', path: '' }, signal)
    this.requireAllowed(status)
    const { update_seq: updateSeq, instance_start_time: start } = objectOf(value)
    if (status !== 200 || updateSeq === undefined) throw this.notFound()
    this.peer.stayThere()
    return { updateSeq: sequenceOf(updateSeq), instanceStartTime: String(start ?? '0') }
  }

  async readLocal(id: string, signal: AbortSignal): Promise<LocalRecord | undefined> {
    const request = { method: 'GET', path: `_local/${id}` } as const
    const { status, value } = await this.ask(request, signal)
    if (status === 404) return undefined
    this.requireAllowed(status)
    if (status !== 200) throw this.peer.failure(request, `status ${status}`, status)
    const { _id, _rev: rev, _revisions, ...body } = objectOf(value)
    if (typeof rev !== 'string') throw this.badAnswer(request.path)
    return { body, rev }
  }

  writeLocal(
    id: string,
    body: Readonly<Record<string, unknown>>,
    rev: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    return this.#putLocal(id, body, rev, signal, MOST_CONFLICTS)
  }

  async #putLocal(
    id: string,
    body: Readonly<Record<string, unknown>>,
    rev: string | undefined,
    signal: AbortSignal,
    conflictsLeft: number,
  ): Promise<string> {
    const text = JSON.stringify({ _id: `_local/${id}`, ...(rev === undefined ? {} : { _rev: rev }), ...body })
    const request = {
      method: 'PUT',
      path: `_local/${id}`,
      type: 'application/json',
      body: Buffer.from(text),
    } as const
    const { status, value } = await this.ask(request, signal)
    const { rev: written } = objectOf(value)
    if (status < 300 && typeof written === 'string') return written
    if (status === 409 && conflictsLeft > 0) {
      // An answer may have been lost on its way: what is there may be what was sent.
      const there = await this.readLocal(id, signal)
      if (there !== undefined && there.body['session_id'] === body['session_id']) {
        if (JSON.stringify(there.body['source_last_seq']) === JSON.stringify(body['source_last_seq']))
          return there.rev
        if (there.rev !== rev) return this.#putLocal(id, body, there.rev, signal, conflictsLeft - 1)
      }
    }
    this.requireAllowed(status)
    throw this.peer.failure(request, `status ${status}`, status)
  }

  async ensureFullCommit(signal: AbortSignal): Promise<string | undefined> {
    const request = {
      method: 'POST',
      path: '_ensure_full_commit',
      type: 'application/json',
      body: Buffer.alloc(0),
    } as const
    const { status, value } = await this.ask(request, signal)
    if (status === 404 || status === 405 || status === 501) return undefined
    this.requireAllowed(status)
    // Whoever does not say that it is durable must not be taken at his word.
    if (status >= 300) throw this.peer.failure(request, `status ${status}`, status)
    const { instance_start_time: start } = objectOf(value)
    return start === undefined ? undefined : String(start)
  }

  async close(): Promise<void> {
    this.peer.close()
  }

  protected ask(request: PeerRequest, signal: AbortSignal) {
    return this.peer.json(request, signal, MOST_ANSWER_BYTES)
  }

  /** Throws `unauthorized` or `forbidden`. */
  protected requireAllowed(status: number): void {
    if (status === 401) {
      throw new ReplicationError({
        error: 'unauthorized',
        reason: `unauthorized to access or create database ${this.shown}`,
        status: 401,
        isTransient: true,
      })
    }
    if (status === 403) {
      throw new ReplicationError({
        error: 'forbidden',
        reason: `forbidden to access or create database ${this.shown}`,
        status: 403,
        isTransient: true,
      })
    }
  }

  protected notFound(): ReplicationError {
    return new ReplicationError({
      error: 'db_not_found',
      reason: `could not open ${this.shown}`,
      status: 404,
      isTransient: true,
    })
  }

  protected badAnswer(path: string): ReplicationError {
    return this.peer.failure({ method: 'GET', path }, 'an answer that is none')
  }
}

export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export function sequenceOf(value: unknown): string | number {
  return typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value ?? 0)
}
