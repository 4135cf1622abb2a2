/** A database behind HTTP that documents are read from. */
import type { Clock } from '../../base/clock.ts'
import { type DocumentChoice, ReplicationError } from '../api.ts'
import type {
  ChangesPageWish,
  FetchedRevision,
  SourceChange,
  SourceChanges,
  SourceEndpoint,
  TransferredDocument,
  WantedRevision,
} from '../endpoint.ts'
import { pause } from '../pause.ts'
import { sequenceNumber } from '../sequence.ts'
import { documentParts, type PartOutcome } from './document-parts.ts'
import { readTransferred } from './document-texts.ts'
import type { PeerRequest } from './peer.ts'
import { BrokenAnswer, type PeerAnswer, readAll } from './peer-answer.ts'
import {
  MOST_ANSWER_BYTES,
  objectOf,
  PeerDatabase,
  type PeerDatabaseOptions,
  sequenceOf,
} from './peer-database.ts'
import { Wishes } from './wishes.ts'

export interface PeerSourceOptions extends PeerDatabaseOptions {
  readonly choice: DocumentChoice
  readonly winningRevsOnly: boolean
  readonly useBulkGet: boolean
  readonly clock: Pick<Clock, 'after' | 'monotonic'>
}

/** After so long a feed that waits is asked for anew. */
const LONGEST_WAIT_MS = 300_000
/** A peer's filter may look at so much, with nothing but heartbeats to be seen. */
const LONGEST_SCAN_MS = 3_600_000
const MOST_HEARTBEAT_MS = 10_000
/** One that does not wait, although it is asked to, is waited for here. */
const SHORT_WAIT_MS = 1000
const FIRST_PAUSE_MS = 100
const MOST_PAUSE_MS = 10_000
/** Documents, and refusals, that may come beside what was asked for. */
const MOST_UNASKED = 100
/** A cluster whose nodes were replaced goes back a few times; a source that does it again and again comes to no end. */
const MOST_GONE_BACK = 20
/** Revisions whose attachments are known; they go into a URL. */
const MOST_ATTS_SINCE = 20

export class PeerSource extends PeerDatabase implements SourceEndpoint {
  readonly #options: PeerSourceOptions
  #usesBulkGet: boolean
  /** Waits in a row that were none. */
  #shortWaits = 0
  #goneBack = 0

  constructor(options: PeerSourceOptions) {
    super(options)
    this.#options = options
    this.#usesBulkGet = options.useBulkGet
  }

  async changes(
    wish: ChangesPageWish & { readonly isWaiting: boolean },
    signal: AbortSignal,
  ): Promise<SourceChanges> {
    const { clock, choice } = this.#options
    const request = this.#changesRequest(wish)
    const limit = new AbortController()
    const leave = (): void => limit.abort(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    const startMs = clock.monotonic()
    const cancel = clock.after(wish.isWaiting ? LONGEST_WAIT_MS : LONGEST_SCAN_MS, () =>
      limit.abort(new WaitedEnough()),
    )
    try {
      const found = await this.#readChanges(request, wish, limit.signal)
      if (wish.isWaiting) await this.#rest(found, clock.monotonic() - startMs, signal)
      return found
    } catch (error) {
      if (!(error instanceof WaitedEnough)) throw error
      if (!wish.isWaiting) throw this.peer.failure(request, 'it took too long')
      // Of what a filter kept back in the meantime the next answer says how far it goes: it is not to be looked at again.
      return { changes: [], lastSeq: wish.since, isEnd: choice.kind === 'all', pending: undefined }
    } finally {
      cancel()
      signal.removeEventListener('abort', leave)
    }
  }

  /** What answers at once, and with nothing, is not to be asked all the time. */
  async #rest({ changes }: SourceChanges, waitedMs: number, signal: AbortSignal): Promise<void> {
    if (changes.length > 0 || waitedMs >= SHORT_WAIT_MS) {
      this.#shortWaits = 0
      return
    }
    const pauseMs = Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#shortWaits)
    this.#shortWaits += 1
    await pause(this.#options.clock, pauseMs, signal)
  }

  #changesRequest({ since, limit, isWaiting }: ChangesPageWish & { isWaiting: boolean }): PeerRequest {
    const { choice, winningRevsOnly } = this.#options
    const heartbeatMs = Math.max(1, Math.min(MOST_HEARTBEAT_MS, Math.floor(this.peer.timeoutMs / 3)))
    const query: Record<string, string> = {
      feed: isWaiting ? 'longpoll' : 'normal',
      style: winningRevsOnly ? 'main_only' : 'all_docs',
      since: String(since),
      limit: String(limit),
      heartbeat: String(heartbeatMs),
    }
    if (choice.kind === 'all') return { method: 'GET', path: '_changes', query, isWaiting }
    const isSlow = true
    if (choice.kind === 'filter') {
      query['filter'] = choice.filter
      for (const [name, value] of Object.entries(choice.query)) {
        // As in CouchDB: how changes are read is not the filter's to say.
        if (!Object.hasOwn(query, name))
          query[name] = typeof value === 'string' ? value : JSON.stringify(value)
      }
      return { method: 'GET', path: '_changes', query, isWaiting, isSlow }
    }
    const [filter, body] =
      choice.kind === 'ids'
        ? ['_doc_ids', { doc_ids: choice.ids }]
        : ['_selector', { selector: choice.selector }]
    query['filter'] = filter as string
    const text = Buffer.from(JSON.stringify(body))
    const rest = { type: 'application/json', body: text, isWaiting, isSlow }
    return { method: 'POST', path: '_changes', query, ...rest }
  }

  async #readChanges(
    request: PeerRequest,
    wish: ChangesPageWish,
    signal: AbortSignal,
  ): Promise<SourceChanges> {
    const { status, value } = await this.ask(request, signal)
    this.requireAllowed(status)
    const { results, last_seq: told, pending } = objectOf(value)
    if (status === 404 && objectOf(value)['reason'] === 'Database does not exist.') throw this.notFound()
    if (status !== 200) throw this.#refused('_changes', status, value)
    if (!Array.isArray(results) || told === undefined || told === null) throw this.badAnswer('_changes')
    const changes = results.map((row) => this.#changeOf(row))
    // Behind rows that a limit cut off some sources tell the database's sequence: CouchDB 1 does with `doc_ids`.
    const isFull = changes.length >= wish.limit
    const lastSeq = sequenceOf((isFull && objectOf(results.at(-1))['seq']) || told)
    if (changes.length > 0 && !goesOn(wish.since, lastSeq)) this.#goneBack += 1
    if (this.#goneBack > MOST_GONE_BACK || (changes.length > 0 && String(lastSeq) === String(wish.since))) {
      throw this.peer.failure(request, 'changes that do not go on')
    }
    const isEnd = pending === 0 || changes.length === 0 || (!isFull && !(Number(pending) > 0))
    return { changes, lastSeq, isEnd, pending: typeof pending === 'number' ? pending : undefined }
  }

  /** A peer's own words for what is wrong with a filter or a sequence. */
  #refused(path: string, status: number, value: unknown): ReplicationError {
    const { error, reason } = objectOf(value)
    const told = typeof error === 'string' ? `${error}: ${String(reason)}`.slice(0, 500) : `status ${status}`
    return this.peer.failure({ method: 'GET', path }, told, status)
  }

  #changeOf(row: unknown): SourceChange {
    const { id, seq, changes, deleted } = objectOf(row)
    if (typeof id !== 'string' || !Array.isArray(changes) || changes.length === 0)
      throw this.badAnswer('_changes')
    const revs = changes.map((each) => objectOf(each)['rev'])
    if (!revs.every((rev) => typeof rev === 'string')) throw this.badAnswer('_changes')
    return { id, seq: sequenceOf(seq), revs, deleted: deleted === true }
  }

  async *fetch(
    wanted: readonly WantedRevision[],
    count: { bulkGetAttempts(count: number): void; bulkGetDocs(count: number): void },
    signal: AbortSignal,
  ): AsyncGenerator<readonly FetchedRevision[], void, void> {
    const wishes = new Wishes(wanted)
    // A source that brings nothing more is left to single requests, which tell of each what is wrong.
    for (let before = 0; this.#usesBulkGet && wishes.size > 0 && wishes.size !== before; ) {
      before = wishes.size
      count.bulkGetAttempts(wishes.size)
      const answer = await this.#bulkGet(wishes.left(), signal)
      if (answer === undefined) break
      try {
        let unasked = 0
        for await (const part of this.#bulkParts(answer)) {
          const found = wishes.take(part)
          if (found === undefined) {
            unasked += 1
            if (unasked > MOST_UNASKED + wanted.length) throw nobodyAsked()
            continue
          }
          if (found.kind === 'document') count.bulkGetDocs(1)
          yield [found]
        }
        break
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof BrokenAnswer)) throw error
      } finally {
        answer.close()
      }
    }
    for (const wish of wishes.left()) {
      if (!wishes.has(wish)) continue
      for await (const found of this.#fetchOne(wish, wishes, signal)) yield [found]
    }
  }

  async #bulkGet(wishes: readonly WantedRevision[], signal: AbortSignal): Promise<PeerAnswer | undefined> {
    const docs = wishes.map(({ id, rev, attsSince }) => ({
      id,
      rev,
      ...(attsSince.length === 0 ? {} : { atts_since: attsSince.slice(0, MOST_ATTS_SINCE) }),
    }))
    const request: PeerRequest = {
      method: 'POST',
      path: '_bulk_get',
      query: { revs: 'true', latest: 'true' },
      accept: 'multipart/mixed',
      type: 'application/json',
      body: Buffer.from(JSON.stringify({ docs })),
    }
    try {
      const answer = await this.peer.request(request, signal)
      if (answer.status === 200) return answer
      answer.close()
    } catch (error) {
      if (!(error instanceof ReplicationError) || error.error !== 'http_error_code') throw error
    }
    // Whatever it says: single documents may be had all the same.
    this.#usesBulkGet = false
    return undefined
  }

  #bulkParts(answer: PeerAnswer): AsyncGenerator<PartOutcome> {
    return /^multipart\//i.test(answer.type)
      ? documentParts(answer, this.mostDocumentBytes)
      : jsonDocuments(answer)
  }

  /** One revision; one that no document can be made of is refused. What a source does not give it may give later. */
  async *#fetchOne(
    wish: WantedRevision,
    wishes: Wishes,
    signal: AbortSignal,
  ): AsyncGenerator<FetchedRevision> {
    const { id, rev, attsSince } = wish
    const query: Record<string, string> = { revs: 'true', latest: 'true', open_revs: JSON.stringify([rev]) }
    if (attsSince.length > 0) query['atts_since'] = JSON.stringify(attsSince.slice(0, MOST_ATTS_SINCE))
    const request: PeerRequest = { method: 'GET', path: pathOf(id), query, accept: 'multipart/mixed' }
    for (let attempt = 1; wishes.has(wish); attempt++) {
      const answer = await this.peer.request(request, signal)
      const { status, type } = answer
      if (status !== 200) {
        await this.#requireMissing(request, answer)
        yield wishes.missing(wish)
        return
      }
      try {
        if (!/^multipart\//i.test(type)) throw new BrokenAnswer('an answer without documents')
        let unasked = 0
        for await (const part of documentParts(answer, this.mostDocumentBytes)) {
          const found = wishes.take(part, wish)
          if (found !== undefined) yield found
          else if (++unasked > MOST_UNASKED) throw nobodyAsked()
          if (!wishes.has(wish)) break
        }
        if (wishes.has(wish)) yield wishes.missing(wish)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof BrokenAnswer) || attempt > MOST_BREAKS) {
          throw error instanceof BrokenAnswer ? this.peer.failure(request, error.message) : error
        }
      } finally {
        answer.close()
      }
    }
  }

  /** A document that was listed must not be passed by because a source did not give it. */
  async #requireMissing(request: PeerRequest, answer: PeerAnswer): Promise<void> {
    const { status } = answer
    const text = await readAll(answer, MOST_ANSWER_BYTES).catch(() => Buffer.alloc(0))
    if (status === 404) return
    this.requireAllowed(status)
    let said: unknown
    try {
      said = JSON.parse(text.toString())
    } catch {
      // Then its status says enough.
    }
    throw this.#refused(request.path, status, said)
  }

  async filterCode(design: string, name: string, signal: AbortSignal): Promise<string> {
    const { status, value } = await this.ask({ method: 'GET', path: pathOf(`_design/${design}`) }, signal)
    this.requireAllowed(status)
    const code = objectOf(objectOf(value)['filters'])[name]
    if (status === 200 && typeof code === 'string') return code
    throw filterFailure(design, this.shown)
  }
}

/** As far as can be said: sequences are opaque, behind the number that most of them begin with. */
function goesOn(since: string | number, lastSeq: string | number): boolean {
  const [before, after] = [sequenceNumber(since), sequenceNumber(lastSeq)]
  return before === undefined || after === undefined || after > before
}

/** An answer may break off so often. */
const MOST_BREAKS = 5

class WaitedEnough extends Error {}

function nobodyAsked(): BrokenAnswer {
  return new BrokenAnswer('documents that nobody asked for')
}

export function filterFailure(design: string, shown: string): ReplicationError {
  return new ReplicationError({
    error: 'filter_fetch_error',
    reason: `Couldn't open document \`_design/${design}\` from source database \`${shown}\`, or it has no such filter.`,
    status: 404,
    isTransient: true,
  })
}

export function pathOf(id: string): string {
  if (id.startsWith('_design/')) return `_design/${encodeURIComponent(id.slice('_design/'.length))}`
  return encodeURIComponent(id)
}

/** An answer in JSON, from a source that knows no other: documents without the data of their attachments. */
async function* jsonDocuments(answer: PeerAnswer): AsyncGenerator<PartOutcome> {
  const text = await readAll(answer, MOST_ANSWER_BYTES)
  let results: unknown
  try {
    results = objectOf(JSON.parse(text.toString()))['results']
  } catch {
    throw new BrokenAnswer('an answer that is no JSON')
  }
  if (!Array.isArray(results)) throw new BrokenAnswer('an answer without results')
  for (const result of results) {
    const { docs } = objectOf(result)
    for (const doc of Array.isArray(docs) ? docs : []) {
      const { ok, error } = objectOf(doc)
      if (ok === undefined) yield { kind: 'error', members: objectOf(error) }
      // What has attachments, and numbers that would change, is read alone.
      else if (isPlain(ok)) yield { kind: 'document', document: await plainDocument(ok) }
    }
  }
}

/** Its numbers are what they are in JavaScript, and it has no attachments. */
function isPlain(document: unknown): boolean {
  const text = JSON.stringify(document)
  return (
    objectOf(document)['_attachments'] === undefined &&
    !/[:,[]-?\d/.test(text.replace(/"_revisions":\{"start":\d+/, ''))
  )
}

function plainDocument(document: unknown): Promise<TransferredDocument> {
  return readTransferred(Buffer.from(JSON.stringify(document)), () => {
    throw new BrokenAnswer('an attachment without its data')
  })
}
