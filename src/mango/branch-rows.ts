/** The documents of all rows of some plans, in the order of their ids. */
import { DatabaseError } from '../base/errors.ts'
import { sortSteps } from '../base/sort-steps.ts'
import { runInTurns, type Steps } from '../base/time-slice.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import type { IndexSnapshot, RowRange } from '../indexes/api.ts'
import { stringText } from '../json/writer.ts'
import { type Bookmark, printBookmark } from './bookmark.ts'
import { EMPTY_RANGE, type FieldRange } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { rowRange } from './key-range.ts'
import type { Plan } from './planner.ts'
import { openIndex, type Rows, type RowsContext } from './rows.ts'

/** Rows are looked up one by one, which costs about so many times what walking over a document costs. */
const LOOKUP_COST = 4
/** Ids that are gathered. */
const MOST_ROWS = 100_000
const STEP_ROWS = 256

interface Branch {
  readonly snapshot: IndexSnapshot
  readonly range: RowRange
}

/** Undefined where the rows are too many for that to be worth while. Rejects as `Indexes.open` does. */
export async function openBranches(
  context: RowsContext,
  options: FindOptions,
  plans: readonly Plan[],
  bookmark: Bookmark | undefined,
): Promise<Rows | undefined> {
  const { database } = context
  const branches: Branch[] = []
  try {
    let rows = 0
    const most = Math.min(MOST_ROWS, database.info().docCount / LOOKUP_COST)
    for (const { index, ranges } of plans) {
      const snapshot = await openIndex(context, index!.definition!, options)
      const within = ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
      const range = rowRange(within, options.partition)
      branches.push({ snapshot, range })
      rows += snapshot.trees[0]!.reduce(range).count
      if (rows > most) return undefined
    }
    const signal = context.signal()
    const ids = await runInTurns(idSteps(branches, bookmark), () => signal.throwIfAborted())
    return new BranchRows(database, ids)
  } finally {
    for (const { snapshot } of branches) snapshot.close()
  }
}

/** Without repetition, behind the bookmark. */
function* idSteps(branches: readonly Branch[], bookmark: Bookmark | undefined): Steps<readonly Buffer[]> {
  const ids = new Set<string>()
  for (const { snapshot, range } of branches) {
    const cursor = snapshot.trees[0]!.cursor(range)
    for (let rows = 1; cursor.next(); rows++) {
      ids.add(cursor.id())
      if (rows % STEP_ROWS === 0) yield
    }
  }
  const first = bookmark === undefined ? undefined : Buffer.from(bookmark.id)
  const wanted: Buffer[] = []
  let looked = 0
  for (const text of ids) {
    const id = Buffer.from(text)
    if (first === undefined || Buffer.compare(id, first) > 0) wanted.push(id)
    looked += 1
    if (looked % STEP_ROWS === 0) yield
  }
  return yield* sortSteps(wanted, Buffer.compare)
}

class BranchRows implements Rows {
  readonly keepsIds = true
  readonly isCovering = false
  readonly isExact = false
  readonly #database: Database
  readonly #ids: readonly Buffer[]
  #next = 0

  constructor(database: Database, ids: readonly Buffer[]) {
    this.#database = database
    this.#ids = ids
  }

  next(): boolean {
    this.#next += 1
    return this.#next <= this.#ids.length
  }

  bookmarkBehind(_row: number, id: string): string {
    return printBookmark(stringText(id), id)
  }

  isProven(): boolean {
    return false
  }

  view(): DocumentView | undefined {
    try {
      return this.#database.get(this.#ids[this.#next - 1]!.toString())
    } catch (error) {
      if (error instanceof DatabaseError && error.status === 404) return undefined
      throw error
    }
  }

  close(): void {
    this.#next = this.#ids.length
  }
}
