import { DatabaseError } from '../base/errors.ts'
import { giveWay, type Steps } from '../base/time-slice.ts'
import type { ChangeRow, Database, DocumentView } from '../database/api/database.ts'
import { MAX_ID_BYTES } from '../database/layout/layout.ts'
import { canonicalize } from '../json/documents.ts'
import { isDeeper } from '../json/print.ts'
import { SelectorBudget } from '../selector/budget.ts'
import { normalize } from '../selector/condition.ts'
import { SelectorError } from '../selector/errors.ts'
import { compileFields, readFields } from '../selector/fields.ts'
import { JsonSlice } from '../selector/json-slice.ts'
import { compileSelector, type Selector } from '../selector/selector.ts'
import { DESIGN_START } from './design-views.ts'
import { isDesignId } from './document-id.ts'
import { viewText } from './document-text.ts'

/** What of the changes is shown. */
export interface ChangesFilter {
  /** The documents, when they are so few that each is looked up. */
  ids?: readonly string[] | undefined
  /** What their ids begin with. */
  prefix?: string
  /** The revisions of a change that are shown; none hide it. In steps where each is looked into. */
  shown(row: ChangeRow): readonly string[] | Steps<readonly string[]>
  /** Instead of `shown`, for some rows at once, where somebody else is asked. One answer a row. */
  judge?(rows: readonly ChangeRow[]): Promise<readonly (readonly string[])[]>
  /** A feed goes on after a wait: what was limited for a request is limited anew. */
  renew?(): void
  /** The text of what is shown of a document. Throws selectorTimeout. */
  project?: ((view: DocumentView, members: { conflicts: boolean }) => Buffer) | undefined
}

/** As in CouchDB: so many documents are looked up, for more the sequence is walked. */
const FEW_IDS = 100
/** Of a selector. */
const MOST_LEVELS = 500
/** Documents, and bytes of their texts, that a function judges at once. */
const JUDGED_DOCUMENTS = 64
const JUDGED_BYTES = 1024 * 1024
const NONE: readonly string[] = []

function byId(test: (id: string) => boolean): ChangesFilter {
  return { shown: (row) => (test(row.id) ? row.revs : NONE) }
}

/** Design documents. */
export const DESIGN_FILTER: ChangesFilter = { ...byId(isDesignId), prefix: DESIGN_START }

/** The documents of these ids. */
export function idsFilter(ids: ReadonlySet<string>): ChangesFilter {
  const test = byId((id) => ids.has(id))
  if (ids.size > FEW_IDS) return test
  return { ...test, ids: [...ids].filter((id) => Buffer.byteLength(id) <= MAX_ID_BYTES) }
}

/**
 * The documents that a selector means; with `fields` only these of them are shown. Each revision that a row lists is
 * looked at, the winner or every leaf. `database` is asked for whenever a row is: it may have been closed and opened
 * again meanwhile. Each document that is held against the selector is told of. Throws badRequest.
 */
export function selectorFilter(
  database: () => Database,
  selector: unknown,
  fields: unknown,
  budgetMs: number,
  onEvaluated: () => void = () => {},
): ChangesFilter {
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) {
    throw new DatabaseError('badRequest', 'Selector error: expected a JSON object')
  }
  if (fields !== undefined && !Array.isArray(fields)) {
    throw new DatabaseError('badRequest', 'Selector error: fields must be JSON array')
  }
  // Values are compared level by level: one that is too deep would break the feed off where it meets its like.
  if (isDeeper(selector, MOST_LEVELS)) {
    throw new DatabaseError('badRequest', 'Selector error: nested too deeply')
  }
  try {
    const budget = new SelectorBudget(budgetMs)
    const compiled = compileSelector<DocumentView>(normalize(textOf(selector)), viewText, budget)
    const matches: Selector<DocumentView> = (view) => {
      onEvaluated()
      return compiled(view)
    }
    return {
      project: fields === undefined ? undefined : projectionOf(fields, budget),
      shown: (row) => matching(database(), row, matches),
      renew: () => budget.renew(),
    }
  } catch (error) {
    if (error instanceof SelectorError) throw new DatabaseError('badRequest', error.message)
    throw error
  }
}

function textOf(value: unknown): Buffer {
  return canonicalize(Buffer.from(JSON.stringify(value)))
}

/** Throws SelectorError. */
function projectionOf(fields: readonly unknown[], budget: SelectorBudget): ChangesFilter['project'] {
  let members = { conflicts: false }
  const names = readFields(new JsonSlice(textOf(fields), 0))
  const project = compileFields<DocumentView>(names, (view) => viewText(view, members), budget)
  if (project === undefined) return undefined
  return (view, wanted) => {
    members = wanted
    return project(view)
  }
}

/** Which of these documents are meant, in their order. */
export type DocumentJudge = (documents: readonly Buffer[]) => Promise<readonly boolean[]>

/** Texts of documents on their way to who judges them: no more are in memory than are judged at once, whatever the rows list. */
class JudgedTexts {
  /** Of all that were judged, in their order. */
  readonly passed: boolean[] = []
  readonly #judge: DocumentJudge
  #texts: Buffer[] = []
  #bytes = 0

  constructor(judge: DocumentJudge) {
    this.#judge = judge
  }

  get isFull(): boolean {
    return this.#texts.length >= JUDGED_DOCUMENTS || this.#bytes >= JUDGED_BYTES
  }

  add(text: Buffer): void {
    this.#texts.push(text)
    this.#bytes += text.length
  }

  async flush(): Promise<void> {
    if (this.#texts.length === 0) return
    const texts = this.#texts
    this.#texts = []
    this.#bytes = 0
    for (const passed of await this.#judge(texts)) this.passed.push(passed)
  }
}

/** The documents that a function lets pass; each revision that a row lists is looked at, as for a selector. */
export function judgedFilter(database: () => Database, judge: DocumentJudge): ChangesFilter {
  return {
    shown: () => NONE,
    judge: async (rows) => {
      const judging = new JudgedTexts(judge)
      const listed: (readonly string[])[] = []
      for (const row of rows) {
        const views = listedViews(database(), row)
        for (const view of views) {
          judging.add(viewText(view, { revs: true }))
          if (judging.isFull) await judging.flush()
          else await giveWay()
        }
        listed.push(views.map(({ rev }) => rev))
      }
      await judging.flush()
      let next = 0
      return listed.map((revs) => revs.filter(() => judging.passed[next++]))
    },
  }
}

/** The listed revisions of which the document is meant. */
function* matching(
  database: Database,
  row: ChangeRow,
  matches: Selector<DocumentView>,
): Steps<readonly string[]> {
  const shown: string[] = []
  for (const view of listedViews(database, row)) {
    if (matches(view)) shown.push(view.rev)
    yield
  }
  return shown
}

/** The documents of a row; without those of leaves that have gone since the page was opened. */
function listedViews(database: Database, row: ChangeRow): readonly DocumentView[] {
  const winner = row.document()
  if (row.revs.length === 1) return [winner]
  const found = database.openRevs(row.id, row.revs)
  return row.revs.flatMap((rev, at) => {
    const leaf = found[at]!
    return rev === winner.rev ? [winner] : 'ok' in leaf ? [leaf.ok] : []
  })
}
