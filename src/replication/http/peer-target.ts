/** A database behind HTTP that documents are written to. */
import { type RandomBytes, randomHex } from '../../base/random.ts'
import { ReplicationError } from '../api.ts'
import {
  type MissingRevisions,
  MissingStubError,
  type TargetEndpoint,
  type TransferredDocument,
  type WriteRefusal,
} from '../endpoint.ts'
import { attachmentsText, documentTexts, relatedBody } from './document-texts.ts'
import type { PeerRequest } from './peer.ts'
import { BrokenAnswer, readAll } from './peer-answer.ts'
import { objectOf, PeerDatabase, type PeerDatabaseOptions } from './peer-database.ts'
import { pathOf } from './peer-source.ts'

/** Of what is answered to one document. */
const MOST_WRITTEN_BYTES = 1024 * 1024

export interface PeerTargetOptions extends PeerDatabaseOptions {
  readonly random: RandomBytes
}

export class PeerTarget extends PeerDatabase implements TargetEndpoint {
  /** Inline data is plain. */
  readonly takesPacked = false
  readonly takesDesigns = false
  readonly #random: RandomBytes

  constructor(options: PeerTargetOptions) {
    super(options)
    this.#random = options.random
  }

  async create(parameters: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const { status } = await this.ask({ method: 'PUT', path: '', query: parameters }, signal)
    // One that is there is what was wanted; whether it may be used is seen when it is.
    if (status === 401 || status === 403) this.requireAllowed(status)
  }

  async revsDiff(
    revisions: ReadonlyMap<string, readonly string[]>,
    signal: AbortSignal,
  ): Promise<readonly MissingRevisions[]> {
    const request = {
      method: 'POST',
      path: '_revs_diff',
      type: 'application/json',
      body: Buffer.from(JSON.stringify(Object.fromEntries(revisions))),
    } as const
    const { status, value } = await this.ask(request, signal)
    this.requireAllowed(status)
    if (status === 404) throw this.notFound()
    if (status !== 200) throw this.peer.failure(request, `status ${status}`, status)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.badAnswer('_revs_diff')
    return Object.entries(value).map(([id, said]) => {
      const { missing, possible_ancestors: ancestors } = objectOf(said)
      const asked: readonly unknown[] = revisions.get(id) ?? []
      // What it does not list it has, as far as anybody knows: a list that makes no sense says nothing.
      if (!Array.isArray(missing) || !missing.every((rev) => asked.includes(rev))) {
        throw this.badAnswer('_revs_diff')
      }
      return { id, missing: missing as string[], possibleAncestors: textsOf(ancestors) }
    })
  }

  async write(
    documents: readonly TransferredDocument[],
    signal: AbortSignal,
  ): Promise<readonly WriteRefusal[]> {
    const pieces: (string | Uint8Array)[] = ['{"new_edits":false,"docs":[']
    for (const [at, document] of documents.entries()) {
      const texts = documentTexts(document, attachmentsText(document.attachments, await inlineData(document)))
      pieces.push(at === 0 ? '' : ',', ...texts)
    }
    pieces.push(']}')
    const body = Buffer.concat(pieces.map((each) => (typeof each === 'string' ? Buffer.from(each) : each)))
    const request = { method: 'POST', path: '_bulk_docs', type: 'application/json', body } as const
    const { status, value } = await this.ask(request, signal)
    if (status < 300) return this.#refusals(documents, value)
    if (status < 400) throw this.peer.failure(request, `status ${status}`, status)
    if (status === 401) this.requireAllowed(status)
    if (status === 404) throw this.notFound()
    const [first] = documents
    if (documents.length === 1) return [await this.#refusal(request, first!, status, value, signal)]
    if (!SPLITTING.has(status)) throw this.peer.failure(request, `status ${status}`, status)
    // Too much at once, or one of them is refused: the others are not to suffer from it.
    const half = Math.ceil(documents.length / 2)
    return [
      ...(await this.write(documents.slice(0, half), signal)),
      ...(await this.write(documents.slice(half), signal)),
    ]
  }

  /**
   * What a document is to blame for. Throws where it is not: what stands before a peer, or a user who may not write any more, must
   * not make a document seem done with.
   */
  async #refusal(
    request: Pick<PeerRequest, 'method' | 'path'>,
    document: TransferredDocument,
    status: number,
    value: unknown,
    signal: AbortSignal,
  ): Promise<WriteRefusal> {
    const { error, reason } = objectOf(value)
    if (status !== 413 && !isOfDocument(status, String(error), String(reason))) {
      this.requireAllowed(status)
      const told =
        typeof error === 'string' ? `${error}: ${String(reason)}`.slice(0, MOST_TOLD) : `status ${status}`
      throw this.peer.failure(request, told, status)
    }
    // Functions that validate documents say the same words as whoever lets nobody in.
    if (status === 401 || status === 403) {
      await this.revsDiff(new Map([[document.id, [document.rev]]]), signal)
    }
    return refusalOf(document, status, value)
  }

  #refusals(documents: readonly TransferredDocument[], value: unknown): WriteRefusal[] {
    if (!Array.isArray(value)) throw this.badAnswer('_bulk_docs')
    const known = new Map(documents.map((document) => [`${document.id} ${document.rev}`, document]))
    const ids = new Map(documents.map((document) => [document.id, document]))
    return value.flatMap((each): WriteRefusal[] => {
      const { id, rev, error, reason, status } = objectOf(each)
      if (error === undefined || error === null || error === false) return []
      const document = known.get(`${String(id)} ${String(rev)}`) ?? ids.get(String(id))
      if (document === undefined) throw this.badAnswer('_bulk_docs')
      const name = typeof error === 'string' ? error : 'http_error_code'
      const isPassing = PASSING.has(name) || (typeof status === 'number' && isPassingStatus(status))
      return [{ id: document.id, rev: document.rev, error: name, reason: String(reason), isPassing }]
    })
  }

  /** Of one that went alone. */
  async #outcome(
    request: Pick<PeerRequest, 'method' | 'path'>,
    document: TransferredDocument,
    status: number,
    value: unknown,
    signal: AbortSignal,
  ): Promise<WriteRefusal | undefined> {
    if (status < 300) {
      // Something between may answer in the database's place.
      const { ok, rev } = objectOf(value)
      if (ok === true || typeof rev === 'string') return undefined
      throw new BrokenAnswer('an answer that is none')
    }
    if (status < 400) throw this.peer.failure(request, `status ${status}`, status)
    if (status === 412) throw new MissingStubError()
    if (status === 404) throw this.notFound()
    return this.#refusal(request, document, status, value, signal)
  }

  /** One whose attachments are stubs, or that has none. */
  async #writeText(document: TransferredDocument, signal: AbortSignal): Promise<WriteRefusal | undefined> {
    const texts = documentTexts(document, attachmentsText(document.attachments, new Map()))
    const request = {
      method: 'PUT',
      path: pathOf(document.id),
      query: { new_edits: 'false' },
      type: 'application/json',
      body: Buffer.concat(texts.map((each) => (typeof each === 'string' ? Buffer.from(each) : each))),
    } as const
    const { status, value } = await this.ask(request, signal)
    return this.#outcome(request, document, status, value, signal)
  }

  async writeStreamed(document: TransferredDocument, signal: AbortSignal): Promise<WriteRefusal | undefined> {
    if (!document.attachments.some(({ bytes }) => bytes !== undefined))
      return this.#writeText(document, signal)
    const boundary = randomHex(this.#random, 16)
    const { bytes, stream } = relatedBody(document, boundary)
    let broken: unknown
    const watched = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* stream()
      } catch (error) {
        broken = error
        throw error
      }
    }
    const request = {
      method: 'PUT',
      path: pathOf(document.id),
      query: { new_edits: 'false' },
      type: `multipart/related; boundary="${boundary}"`,
      body: watched,
      bodyBytes: bytes,
      repeats: false,
    } as const
    try {
      const answer = await this.peer.request(request, signal)
      const text = await readAll(answer, MOST_WRITTEN_BYTES)
      let value: unknown
      try {
        value = JSON.parse(text.toString())
      } catch {
        // Then its status says enough.
      }
      return await this.#outcome(request, document, answer.status, value, signal)
    } catch (error) {
      if (broken instanceof BrokenAnswer || broken instanceof ReplicationError) throw broken
      if (error instanceof BrokenAnswer) throw this.peer.failure(request, error.message)
      throw error
    }
  }
}

/** Answers to many documents of which one may be the cause. */
const SPLITTING = new Set([400, 403, 409, 412, 413, 415])
const MOST_TOLD = 500
/** Names of errors that are a server's own, and nothing that a document could do better. */
const PASSING = new Set([
  'insufficient_storage',
  'internal_server_error',
  'read_failure',
  'request_timeout',
  'service_unavailable',
  'timeout',
  'too_many_requests',
])

/** Refusals that a server means for the document that it was sent, as CouchDB's replicator takes them. */
function isOfDocument(status: number, error: string, reason: string): boolean {
  if (status === 400) {
    return (
      error === 'illegal_docid' ||
      error === 'doc_validation' ||
      (error === 'bad_request' && reason.startsWith('Attachment name '))
    )
  }
  return (
    (status === 401 && error === 'unauthorized') ||
    (status === 403 && error === 'forbidden') ||
    (status === 409 && error === 'conflict') ||
    (status === 415 && error === 'unsupported_media_type')
  )
}

function isPassingStatus(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

async function inlineData({ attachments }: TransferredDocument): Promise<Map<string, string>> {
  const data = new Map<string, string>()
  for (const { name, bytes } of attachments) {
    if (bytes === undefined) continue
    const chunks: Uint8Array[] = []
    for await (const chunk of bytes()) chunks.push(chunk)
    data.set(name, Buffer.concat(chunks).toString('base64'))
  }
  return data
}

function refusalOf({ id, rev }: TransferredDocument, status: number, value: unknown): WriteRefusal {
  const { error, reason } = objectOf(value)
  return {
    id,
    rev,
    error: typeof error === 'string' ? error : 'http_error_code',
    reason: typeof reason === 'string' ? reason : `status ${status}`,
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}
