/**
 * Takes revisions from the source to the target. What holds:
 * - Documents go over many at once, as many as make some hundred KiB; those with attachments that are long go alone, and are never held.
 * - What is wrong with one document is counted, and stops no other one.
 * - What broke off on the way is sent again, alone, as often as the job says.
 */
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import { ReplicationError } from './api.ts'
import {
  type MissingRevisions,
  MissingStubError,
  type SourceEndpoint,
  type TargetEndpoint,
  type TransferredAttachment,
  type TransferredDocument,
  type WantedRevision,
  type WriteRefusal,
} from './endpoint.ts'
import { BrokenAnswer } from './http/peer-answer.ts'
import { pause } from './pause.ts'
import type { Counts } from './statistics.ts'

export interface TransferOptions {
  readonly source: SourceEndpoint
  readonly target: TargetEndpoint
  readonly counts: Counts
  readonly retries: number
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
}

const BULK_BYTES = 512 * 1024
const BULK_DOCUMENTS = 500
/** About what a document takes beside its body. */
const OVERHEAD_BYTES = 256
const SHORT_ATTACHMENT_BYTES = 64 * 1024
const MOST_SHORT_ATTACHMENTS = 8
const FIRST_WAIT_MS = 250
const MOST_WAIT_MS = 30_000

export class Transfer {
  readonly #options: TransferOptions

  constructor(options: TransferOptions) {
    this.#options = options
  }

  /** Throws ReplicationError for what no document is to blame for. */
  async run(missing: readonly MissingRevisions[], signal: AbortSignal): Promise<void> {
    const { source, target, counts } = this.#options
    const ancestors = new Map(missing.map(({ id, possibleAncestors }) => [id, possibleAncestors]))
    const wanted = missing.flatMap(({ id, missing: revs, possibleAncestors }) =>
      revs.map((rev): WantedRevision => ({ id, rev, attsSince: possibleAncestors })),
    )
    if (wanted.length === 0) return
    const again: { wish: WantedRevision; isRead: boolean }[] = []
    const bulk = new Bulk(this.#options, signal, ({ id, rev }) =>
      again.push({ wish: { id, rev, attsSince: [] }, isRead: true }),
    )
    for await (const some of source.fetch(wanted, this.#bulkCounts, signal)) {
      for (const found of some) {
        if (found.kind === 'missing')
          again.push({ wish: { id: found.id, rev: found.rev, attsSince: [] }, isRead: false })
        else if (found.kind === 'refused') this.#refused([found.refusal])
        else {
          const { document } = found
          const { id, rev } = document
          counts.docs_read += 1
          const isBulked = target.takesDesigns || !id.startsWith('_design/')
          if (document.attachments.length === 0 && isBulked) {
            if (bulk.add(document)) await bulk.flush()
            continue
          }
          const left = await this.#take(document, isBulked ? bulk : undefined, signal)
          const attsSince = left === 'whole' ? [] : (ancestors.get(id) ?? [])
          if (left !== false) again.push({ wish: { id, rev, attsSince }, isRead: true })
        }
      }
    }
    await bulk.flush()
    for (const { wish, isRead } of again) await this.#alone(wish, isRead, signal)
  }

  readonly #bulkCounts = {
    bulkGetAttempts: (count: number): void => {
      this.#options.counts.bulk_get_attempts += count
    },
    bulkGetDocs: (count: number): void => {
      this.#options.counts.bulk_get_docs += count
    },
  }

  /** Whether it has to be sent again: as it was asked for, or whole, without stubs. Without a bulk it goes alone. */
  async #take(
    document: TransferredDocument,
    bulk: Bulk | undefined,
    signal: AbortSignal,
  ): Promise<false | 'again' | 'whole'> {
    let short: TransferredDocument | undefined
    try {
      if (bulk !== undefined) short = await withShortAttachments(document, this.#options.target.takesPacked)
      if (short === undefined)
        this.#written(document, await this.#options.target.writeStreamed(document, signal))
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof MissingStubError) return 'whole'
      if (error instanceof BrokenAnswer) return 'again'
      if (error instanceof ReplicationError && error.isTransient) return 'again'
      throw error
    }
    // Those that it may flush have nothing to do with this one.
    if (short !== undefined && bulk?.add(short) === true) await bulk.flush()
    return false
  }

  #written(document: TransferredDocument, refusal: WriteRefusal | undefined): void {
    if (refusal === undefined) this.#options.counts.docs_written += 1
    // Bytes that changed on their way are sent again.
    else if (refusal.error === 'content_md5_mismatch')
      throw new BrokenAnswer('an attachment with another digest')
    else this.#refused([{ ...refusal, id: document.id }])
  }

  #refused(refusals: readonly WriteRefusal[]): void {
    const { counts, log, target } = this.#options
    for (const { id, rev, error, reason } of refusals) {
      counts.doc_write_failures += 1
      log.warning('a document was not replicated', { target: target.shown, id, rev, error, reason })
    }
  }

  /** One that broke off, or was not there, which may pass. */
  async #alone(first: WantedRevision, wasRead: boolean, signal: AbortSignal): Promise<void> {
    const { source, target, counts, retries, clock } = this.#options
    let wish = first
    let isRead = wasRead
    let failure: unknown = new ReplicationError({
      error: 'missing_document',
      reason: `A revision of the document ${wish.id} is listed by ${source.shown} and not there.`,
      status: 500,
      isTransient: true,
    })
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) await pause(clock, Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)), signal)
      try {
        let isGone = true
        for await (const some of source.fetch([wish], this.#bulkCounts, signal)) {
          for (const found of some) {
            if (found.kind === 'missing') continue
            isGone = false
            if (found.kind === 'refused') {
              this.#refused([found.refusal])
              continue
            }
            if (!isRead) counts.docs_read += 1
            isRead = true
            this.#written(found.document, await target.writeStreamed(found.document, signal))
          }
        }
        if (!isGone) return
      } catch (error) {
        signal.throwIfAborted()
        const isPassing =
          error instanceof BrokenAnswer || (error instanceof ReplicationError && error.isTransient)
        if (error instanceof MissingStubError && wish.attsSince.length > 0) wish = { ...wish, attsSince: [] }
        else if (!isPassing) throw error
        failure = error
      }
      if (attempt >= retries) throw passingFailure(failure, wish)
    }
  }
}

function passingFailure(error: unknown, { id }: WantedRevision): ReplicationError {
  if (error instanceof ReplicationError) return error
  return new ReplicationError(
    {
      error: 'http_request_failed',
      reason: `The document ${id} could not be sent: ${error instanceof BrokenAnswer ? error.message : describeError(error)}`,
      status: 500,
      isTransient: true,
    },
    { cause: error },
  )
}

/** Documents that are written together. */
class Bulk {
  readonly #options: TransferOptions
  readonly #signal: AbortSignal
  /** Hears of what is to be sent again. */
  readonly #onPassing: (refusal: WriteRefusal) => void
  #documents: TransferredDocument[] = []
  #bytes = 0

  constructor(options: TransferOptions, signal: AbortSignal, onPassing: (refusal: WriteRefusal) => void) {
    this.#options = options
    this.#signal = signal
    this.#onPassing = onPassing
  }

  /** Whether there are so many now that they are to be written. */
  add(document: TransferredDocument): boolean {
    this.#documents.push(document)
    this.#bytes += OVERHEAD_BYTES + document.body.length
    for (const { encodedLength } of document.attachments) this.#bytes += encodedLength
    return this.#bytes >= BULK_BYTES || this.#documents.length >= BULK_DOCUMENTS
  }

  async flush(): Promise<void> {
    const documents = this.#documents
    if (documents.length === 0) return
    this.#documents = []
    this.#bytes = 0
    const { target, counts, log } = this.#options
    const refusals = await target.write(documents, this.#signal)
    counts.docs_written += documents.length - refusals.length
    for (const refusal of refusals) {
      if (refusal.isPassing === true) {
        this.#onPassing(refusal)
        continue
      }
      const { id, rev, error, reason } = refusal
      counts.doc_write_failures += 1
      log.warning('a document was not replicated', { target: target.shown, id, rev, error, reason })
    }
  }
}

/**
 * The document with its attachments read, where they are few and short and all have bytes; undefined for any other. Stubs go alone, for
 * the target may not have what they stand for.
 */
async function withShortAttachments(
  document: TransferredDocument,
  takesPacked: boolean,
): Promise<TransferredDocument | undefined> {
  const { attachments } = document
  if (attachments.length > MOST_SHORT_ATTACHMENTS) return undefined
  const isShort = attachments.every(
    ({ bytes, encoding, encodedLength }) =>
      bytes !== undefined &&
      encodedLength <= SHORT_ATTACHMENT_BYTES &&
      (takesPacked || encoding === 'identity'),
  )
  if (!isShort) return undefined
  const read: TransferredAttachment[] = []
  for (const attachment of attachments) {
    const chunks: Uint8Array[] = []
    for await (const chunk of attachment.bytes!()) chunks.push(chunk)
    const whole = Buffer.concat(chunks)
    read.push({ ...attachment, bytes: () => once(whole) })
  }
  return { ...document, attachments: read }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}
