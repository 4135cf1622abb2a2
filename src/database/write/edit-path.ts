/**
 * The way of edits to the writer, which may be in another thread: made ready, cut into parts, and written again where a
 * compaction replaced the file that a reference of them belongs to. Whatever can be done before the writer's turn is done
 * here, and in the thread that calls.
 */
import type { Clock } from '../../base/clock.ts'
import type { Compression } from '../../base/compression.ts'
import { DatabaseError, type ErrorKind } from '../../base/errors.ts'
import { giveWay, runAtOnce, runInTurns, type Steps } from '../../base/time-slice.ts'
import type { CheckedEdit, DocumentEdit, EditCheck, EditResult, UpdateOptions } from '../api/database.ts'
import { awaiting, reading } from '../errors/layer-errors.ts'
import { DESIGN_PREFIX, LOCAL_PREFIX } from '../layout/layout.ts'
import { checkPartitionedId } from '../layout/partition.ts'
import type { Replaced } from '../read/reads.ts'
import type { PackedResults } from './apply-packed.ts'
import type { CheckStamp } from './checked-state.ts'
import { type EditContext, partsOf, type ReadyEdits, readyOne, readySteps } from './edits.ts'
import {
  type AppendCopy,
  hasMovedContent,
  MovedContent,
  type PlacedEdit,
  releaseContent,
  withPresentContent,
} from './moved-content.ts'
import type { PackedEdits } from './packed-edits.ts'

/** So many edits are made ready in one go. */
const SHORT_REQUEST = 256
/** So many edits are checked at once, and an edit so many times: each time what it is checked against was changed. */
const CHECKED_AT_ONCE = 128
const MOST_CHECKS = 100

interface TakenEdit {
  /** In the request. */
  readonly place: number
  readonly edit: DocumentEdit
}

function refused(id: string, kind: ErrorKind, rev?: string): EditResult {
  return { ok: false, id, rev, refusal: new DatabaseError(kind) }
}

/** Interactive: the one that was edited; replicated: the edit's own. */
function revisionOf({ rev, revisions }: DocumentEdit): string | undefined {
  return rev ?? (revisions && `${revisions.start}-${revisions.ids[0]!}`)
}

function isOutdated(result: EditResult): boolean {
  return !result.ok && result.refusal.kind === 'checkOutdated'
}

/** Who writes the edits. */
export interface EditWriter {
  /**
   * Writes a part of a request as one transaction, in the order of the calls, and puts the results into their places.
   * Rejects with MovedContent where it names bytes of another file than the store's.
   */
  write(part: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void>
  /** Writes them in parts, each as one transaction. */
  writePacked(edits: PackedEdits): Promise<PackedResults>
  /** A shorter way for one edit; undefined where there is none for it. Throws illegal_docid. */
  writeOne?(edit: PlacedEdit, context: EditContext): Promise<EditResult> | undefined
  readonly append: AppendCopy
}

/** The database as edits find it. */
export interface EditedDatabase {
  readonly isFresh: boolean
  /** See `ReadingDatabase`. To be asked behind the stamp: rules that change between the two are newer than that. */
  readonly knowsRules: boolean
  refresh(): Promise<void>
  learnRules(): Promise<void>
  /** Of what the next reads see. */
  checkStamp(): CheckStamp
  /** What the edit replaces. */
  replacedBy(edit: DocumentEdit, newEdits: boolean): Replaced
}

/** Waits for every one of them, also when one rejects: then rejects as the first that did. */
export async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(promises)
  for (const each of settled) if (each.status === 'rejected') throw each.reason
}

export interface EditPathParts {
  readonly writer: EditWriter
  readonly database: EditedDatabase
  readonly partitioned: boolean
  readonly clock: Pick<Clock, 'now'>
  /** Of bodies that are written now. */
  readonly compression: () => Compression
}

export class EditPath {
  readonly #writer: EditWriter
  readonly #database: EditedDatabase
  readonly #partitioned: boolean
  readonly #clock: Pick<Clock, 'now'>
  readonly #compression: () => Compression

  constructor({ writer, database, partitioned, clock, compression }: EditPathParts) {
    this.#writer = writer
    this.#database = database
    this.#partitioned = partitioned
    this.#clock = clock
    this.#compression = compression
  }

  /** What edits of a request made now have in common. */
  context(newEdits: boolean, stamp: CheckStamp | undefined, inGivenOrder = false): EditContext {
    const compression = this.#compression()
    const nowMs = this.#clock.now()
    return { newEdits, stamp, partitioned: this.#partitioned, nowMs, compression, inGivenOrder }
  }

  /** See `packed-way.ts`. */
  get packs(): Compression | undefined {
    return this.#partitioned ? undefined : this.#compression()
  }

  /** See `packed-way.ts`. */
  async updatePacked(edits: PackedEdits, check: EditCheck): Promise<PackedResults | undefined> {
    edits.stamp = this.#database.checkStamp()
    if (!this.#database.knowsRules) await this.#database.learnRules()
    return check.isNeeded() ? undefined : this.#writer.writePacked(edits)
  }

  /** As `Database.update`. */
  update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    return this.#updateOne(edits, options) ?? this.#updateAndRelease(edits, options)
  }

  async #updateAndRelease(edits: readonly DocumentEdit[], options: UpdateOptions): Promise<EditResult[]> {
    try {
      return await this.updateHeld(edits, options)
    } finally {
      releaseContent(edits)
    }
  }

  /**
   * What most requests write: one document that need not be checked and brings no attachments. The way of all others would
   * cost it as much as the write. Undefined: it is none such.
   */
  #updateOne(edits: readonly DocumentEdit[], options: UpdateOptions): Promise<EditResult[]> | undefined {
    const { check, newEdits, allOrNothing = false } = options
    const attachments = edits[0]?.attachments
    if (edits.length !== 1 || allOrNothing || (attachments !== undefined && attachments.length > 0))
      return undefined
    const stamp = check === undefined ? undefined : this.#database.checkStamp()
    if (check !== undefined && (!this.#database.knowsRules || check.isNeeded())) return undefined
    try {
      const context = this.context(newEdits !== false, stamp)
      const edit = edits[0] as PlacedEdit
      if (this.#partitioned) checkPartitionedId(edit.id)
      const one = reading(() => this.#writer.writeOne?.(edit, context))
      if (one !== undefined) {
        return one.then((result) => (isOutdated(result) ? this.updateHeld(edits, options) : [result]))
      }
      const ready = reading(() => readyOne(edit, context))
      const results: EditResult[] = new Array(1)
      return this.#writer
        .write(ready, results, false)
        .then(() => (isOutdated(results[0]!) ? this.updateHeld(edits, options) : results))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The same, for who releases the content of the edits. */
  async updateHeld(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    const { check } = options
    if (check === undefined) return this.#written(edits, options, undefined)
    const stamp = this.#database.checkStamp()
    if (!this.#database.knowsRules) await this.#database.learnRules()
    if (check.isNeeded()) return this.#updateChecked(edits, options, check)
    const written = await this.#written(edits, options, stamp)
    return written.some(isOutdated) ? this.#updateChecked(edits, options, check, written) : written
  }

  /** `results` has those of edits that are written already; the others are outdated. */
  async #updateChecked(
    edits: readonly DocumentEdit[],
    options: UpdateOptions,
    check: EditCheck,
    results: (EditResult | undefined)[] = new Array(edits.length).fill(undefined),
  ): Promise<EditResult[]> {
    const { newEdits = true, allOrNothing = false } = options
    for (let attempt = 0; attempt < MOST_CHECKS; attempt++) {
      const left = edits.flatMap((edit, place): TakenEdit[] => {
        const isLeft = allOrNothing || results[place] === undefined || isOutdated(results[place])
        return isLeft ? [{ place, edit }] : []
      })
      const stamp = this.#database.checkStamp()
      if (!this.#database.isFresh) await this.#database.refresh()
      for (const { place } of left) results[place] = undefined
      const taken = check.isNeeded() ? await this.#checked(left, check, newEdits, results) : left
      if (allOrNothing && taken.length < edits.length) {
        return edits.map(({ id }, place) => results[place] ?? refused(id, 'notWritten'))
      }
      const allowed = taken.map(({ edit }) => edit)
      const written = allowed.length === 0 ? [] : await this.#written(allowed, options, stamp)
      for (const [at, { place }] of taken.entries()) results[place] = written[at]!
      if (!written.some(isOutdated)) break
    }
    return results as EditResult[]
  }

  /** The edits that may be written; why the others may not is put into `results`. */
  async #checked(
    taken: readonly TakenEdit[],
    check: EditCheck,
    newEdits: boolean,
    results: (EditResult | undefined)[],
  ): Promise<TakenEdit[]> {
    const allowed: TakenEdit[] = []
    for (let from = 0; from < taken.length; from += CHECKED_AT_ONCE) {
      if (from > 0) await giveWay()
      const looked: (TakenEdit & CheckedEdit)[] = []
      for (const each of taken.slice(from, from + CHECKED_AT_ONCE)) {
        const { place, edit } = each
        if (edit.id.startsWith(LOCAL_PREFIX) || edit.id.startsWith(DESIGN_PREFIX)) {
          allowed.push(each)
          continue
        }
        const parent = this.#database.replacedBy(edit, newEdits)
        if (parent === 'conflict') results[place] = refused(edit.id, 'conflict', edit.rev)
        else looked.push({ place, edit, parent })
      }
      const refusals = looked.length === 0 ? [] : await check.look(looked)
      for (const [at, { place, edit, parent }] of looked.entries()) {
        const refusal = refusals[at]
        if (refusal !== undefined) results[place] = { ok: false, id: edit.id, rev: revisionOf(edit), refusal }
        else if (newEdits || parent !== undefined) allowed.push({ place, edit })
        else allowed.push({ place, edit: { ...edit, checkedWithoutAncestor: true } as DocumentEdit })
      }
    }
    return allowed.sort((a, b) => a.place - b.place)
  }

  async #written(
    edits: readonly DocumentEdit[],
    options: UpdateOptions,
    stamp: CheckStamp | undefined,
  ): Promise<EditResult[]> {
    for (let salt: bigint | undefined; ; ) {
      // Nothing is awaited for an ordinary request, which takes its place at the writer before the call returns.
      const present = hasMovedContent(edits, salt) ? await this.#brought(edits, salt) : edits
      try {
        return await this.#update(present, options, stamp)
      } catch (error) {
        if (!(error instanceof MovedContent)) throw error
        salt = error.salt
      }
    }
  }

  #brought(edits: readonly DocumentEdit[], salt: bigint | undefined): Promise<readonly PlacedEdit[]> {
    return awaiting(withPresentContent(edits, salt, this.#writer.append))
  }

  async #update(
    edits: readonly PlacedEdit[],
    options: UpdateOptions,
    stamp: CheckStamp | undefined,
  ): Promise<EditResult[]> {
    const context = this.context(options.newEdits !== false, stamp, options.inGivenOrder)
    if (edits.length === 1 && options.allOrNothing !== true) {
      const one = reading(() => this.#writer.writeOne?.(edits[0]!, context))
      if (one !== undefined) return [await one]
    }
    const steps = this.#readySteps(edits, context)
    const isShort = edits.length <= SHORT_REQUEST
    const ready = isShort ? reading(() => runAtOnce(steps)) : await awaiting(runInTurns(steps))
    const results: EditResult[] = new Array(edits.length)
    if (options.allOrNothing === true) {
      await this.#writer.write(ready, results, true)
      return results
    }
    const parts = partsOf(ready)
    const writing: Promise<void>[] = []
    for (const [at, part] of parts.entries()) {
      if (at > 0) await giveWay()
      const written = this.#writer.write(part, results, false)
      // It may reject while the others are still handed over; all are looked at when they have been.
      written.catch(() => undefined)
      writing.push(written)
    }
    await allOf(writing)
    return results
  }

  *#readySteps(edits: readonly PlacedEdit[], context: EditContext): Steps<ReadyEdits> {
    if (this.#partitioned) for (const { id } of edits) checkPartitionedId(id)
    return yield* readySteps(edits, context)
  }
}
