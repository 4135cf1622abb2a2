/** A database of this server that documents are read from: no text is made or parsed on the way. */
import { DatabaseError } from '../../base/errors.ts'
import { giveWay, runInTurns } from '../../base/time-slice.ts'
import type {
  AttachmentView,
  ChangeRow,
  ChangesPage,
  Database,
  DocumentView,
} from '../../database/api/database.ts'
import { filterError, requireFunction } from '../../design/script-failure.ts'
import {
  type ChangesFilter,
  DESIGN_FILTER,
  idsFilter,
  judgedFilter,
  selectorFilter,
} from '../../documents/changes-filter.ts'
import type { DocumentChoice } from '../api.ts'
import type {
  ChangesPageWish,
  FetchedRevision,
  SourceChange,
  SourceChanges,
  SourceEndpoint,
  TransferredAttachment,
  TransferredDocument,
  WantedRevision,
} from '../endpoint.ts'
import { filterFailure } from '../http/peer-source.ts'
import { filterRequest } from './filter-request.ts'
import { LocalDatabase, type LocalDatabaseOptions } from './local-database.ts'

export interface LocalSourceOptions extends LocalDatabaseOptions {
  readonly choice: DocumentChoice
  readonly winningRevsOnly: boolean
}

/** Rows that are looked at in one go, shown or not. */
const MOST_ROWS = 5000
const JUDGED_ROWS = 64
/** Documents that are read under one lease. */
const MOST_LEASED = 100
/** Bytes of bodies that are read before they are handed over; the last one may go beyond. */
const MOST_AT_HAND_BYTES = 64 * 1024

const NO_ATTACHMENTS: readonly TransferredAttachment[] = []

export class LocalSource extends LocalDatabase implements SourceEndpoint {
  readonly #options: LocalSourceOptions

  constructor(options: LocalSourceOptions) {
    super(options)
    this.#options = options
  }

  async changes(
    wish: ChangesPageWish & { readonly isWaiting: boolean },
    signal: AbortSignal,
  ): Promise<SourceChanges> {
    if (!wish.isWaiting) return this.use((database) => this.#page(database, wish, signal))
    // One watch for the whole wait: one that begins anew may be told at once of what nobody has written.
    const watch = this.#watch(signal)
    try {
      for (;;) {
        const changed = watch.next()
        const found = await this.use((database) => this.#page(database, wish, signal))
        if (found.changes.length > 0 || found.lastSeq !== wish.since) return found
        await changed
        signal.throwIfAborted()
      }
    } finally {
      watch.end()
    }
  }

  /**
   * `next` resolves when the database is written to or deleted after the call, or the signal is aborted: whoever calls it before
   * he looks misses nothing.
   */
  #watch(signal: AbortSignal): { next(): Promise<void>; end(): void } {
    let wake = (): void => {}
    const unwatch = this.parts.databases.watch(this.name, {
      changed: () => wake(),
      deleted: () => wake(),
    })
    const onAbort = (): void => wake()
    signal.addEventListener('abort', onAbort, { once: true })
    return {
      next: () =>
        new Promise((resolve) => {
          wake = resolve
          if (signal.aborted) resolve()
        }),
      end: () => {
        unwatch()
        signal.removeEventListener('abort', onAbort)
      },
    }
  }

  async #page(
    database: Database,
    { since, limit }: ChangesPageWish,
    signal: AbortSignal,
  ): Promise<SourceChanges> {
    const filter = this.#filter(database, signal)
    const page = database.changes({
      since,
      style: this.#options.winningRevsOnly ? 'main_only' : 'all_docs',
      ids: filter?.ids,
    })
    const changes: SourceChange[] = []
    const take = (row: ChangeRow, revs: readonly string[]): void => {
      if (revs.length > 0) changes.push({ id: row.id, seq: row.seq, revs, deleted: row.deleted })
    }
    let isEnd = false
    try {
      for (let rows = 0; changes.length < limit && rows < MOST_ROWS; ) {
        signal.throwIfAborted()
        const pause = giveWay()
        if (pause !== undefined) await pause
        if (filter === undefined) {
          const row = page.rows.next()
          if (row.done === true) {
            isEnd = true
            break
          }
          rows += 1
          take(row.value, row.value.revs)
          continue
        }
        const next = nextRows(
          page,
          filter.judge === undefined ? 1 : Math.min(JUDGED_ROWS, limit - changes.length),
        )
        if (next.length === 0) {
          isEnd = true
          break
        }
        rows += next.length
        const judged = await filter.judge?.(next)
        for (const [at, row] of next.entries()) {
          if (judged !== undefined) take(row, judged[at]!)
          else {
            const shown = filter.shown(row)
            take(row, 'next' in shown ? await runInTurns(shown, () => signal.throwIfAborted()) : shown)
          }
        }
      }
      return { changes, lastSeq: page.lastSeq(), isEnd, pending: page.pending() }
    } finally {
      page.rows.return?.()
    }
  }

  #filter(database: Database, signal: AbortSignal): ChangesFilter | undefined {
    const { choice } = this.#options
    const { settings, metrics } = this.parts
    switch (choice.kind) {
      case 'all':
        return undefined
      case 'ids':
        return idsFilter(new Set(choice.ids))
      case 'selector':
        return selectorFilter(
          () => database,
          choice.selector,
          undefined,
          settings.get('selectorBudgetMs'),
          () => metrics.count('mango.evaluate_selector'),
        )
      case 'filter':
        return this.#named(database, choice.filter, choice.query, signal)
    }
  }

  #named(
    database: Database,
    filter: string,
    query: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): ChangesFilter {
    const { designs, random } = this.parts
    const { scripting } = designs
    if (filter === '_design') return DESIGN_FILTER
    if (filter === '_view') {
      const [name, view] = String(query['view'] ?? '').split('/')
      if (!name || !view) throw new DatabaseError('badRequest', '`view` filter parameter is not provided.')
      const design = designs.named(database, name)
      requireFunction(design, ['views', view, 'map'])
      return judgedFilter(
        () => database,
        (documents) => scripting.filterByView(design, view, documents, { signal }).catch(failed),
      )
    }
    const slash = filter.indexOf('/')
    if (slash < 1) throw new DatabaseError('badRequest', 'unknown builtin filter name')
    const [name, own] = [filter.slice(0, slash), filter.slice(slash + 1)]
    const design = designs.named(database, name)
    requireFunction(design, ['filters', own])
    const request = filterRequest(database, this.owner, query, random)
    return judgedFilter(
      () => database,
      (documents) => scripting.filter(design, own, documents, request, { signal }).catch(failed),
    )
  }

  async *fetch(
    wanted: readonly WantedRevision[],
    _count: unknown,
    signal: AbortSignal,
  ): AsyncGenerator<readonly FetchedRevision[], void, void> {
    for (let from = 0; from < wanted.length; from += MOST_LEASED) {
      signal.throwIfAborted()
      const some = wanted.slice(from, from + MOST_LEASED)
      try {
        const lease = await this.parts.databases.lease(this.name)
        try {
          this.requireUse(lease.database)
          let atHand: FetchedRevision[] = []
          let bytes = 0
          for (const found of fetched(this.seen(lease.database), some)) {
            const pause = giveWay()
            if (pause !== undefined) await pause
            atHand.push(found)
            if (found.kind === 'document') bytes += found.document.body.length
            if (bytes < MOST_AT_HAND_BYTES) continue
            yield atHand
            atHand = []
            bytes = 0
          }
          if (atHand.length > 0) yield atHand
        } finally {
          lease.release()
        }
      } catch (error) {
        throw this.failure(error)
      }
    }
  }

  filterCode(design: string, name: string): Promise<string> {
    return this.use(async (database) => {
      let code: unknown
      try {
        const members = JSON.parse(database.get(`_design/${design}`).body().toString()) as Record<
          string,
          unknown
        >
        code = (members['filters'] as Record<string, unknown> | undefined)?.[name]
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error
      }
      if (typeof code === 'string') return code
      throw filterFailure(design, this.shown)
    })
  }
}

function failed(error: unknown): never {
  throw filterError(error)
}

/** None at the end. Several are not read up to the end: their documents could not be read any more. */
function nextRows(page: ChangesPage, count: number): ChangeRow[] {
  const next: ChangeRow[] = []
  while (next.length < count && (count === 1 || page.pending() > 0)) {
    const row = page.rows.next()
    if (row.done === true) break
    next.push(row.value)
  }
  return next
}

/** Of wishes for one document, which follow each other, each leaf once, however many of them it is the latest of. */
function* fetched(database: Database, wanted: readonly WantedRevision[]): Generator<FetchedRevision> {
  const given = new Set<string>()
  for (let at = 0; at < wanted.length; at++) {
    const { id, rev, attsSince } = wanted[at]!
    if (wanted[at - 1]?.id !== id) given.clear()
    const [found] = database.openRevs(id, [rev], { latest: true })
    if (found === undefined || !('ok' in found)) {
      yield { kind: 'missing', id, rev }
      continue
    }
    if (given.has(found.ok.rev)) continue
    if (wanted[at + 1]?.id === id) given.add(found.ok.rev)
    yield { kind: 'document', document: transferred(found.ok, attsSince) }
  }
}

function transferred(view: DocumentView, attsSince: readonly string[]): TransferredDocument {
  const { id, rev, deleted } = view
  const revisions = view.revisions()
  const known = knownGeneration(revisions, attsSince)
  const stored = view.attachments()
  const attachments =
    stored.length === 0 ? NO_ATTACHMENTS : stored.map((each) => transferredAttachment(each, known))
  return { id, rev, deleted, body: view.body(), revisions, attachments }
}

/** Of the newest of `since` in the path; 0 for none. */
function knownGeneration(
  { start, ids }: { start: number; ids: readonly string[] },
  since: readonly string[],
): number {
  if (since.length === 0) return 0
  const at = ids.findIndex((id, index) => since.includes(`${start - index}-${id}`))
  return at < 0 ? 0 : start - at
}

function transferredAttachment(attachment: AttachmentView, known: number): TransferredAttachment {
  const { name, type, revpos, encoding, length, encodedLength, md5 } = attachment
  const bytes = revpos <= known ? undefined : () => attachment.storedBytes()
  return { name, type, revpos, encoding, length, encodedLength, md5, bytes }
}
