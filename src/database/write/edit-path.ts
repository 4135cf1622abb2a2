/**
 * The way of edits to the writer, which may be in another thread: made ready, cut into parts, and written again where a
 * compaction replaced the file that a reference of them belongs to. Whatever can be done before the writer's turn is done
 * here, and in the thread that calls.
 */
import type { Clock } from '../../base/clock.ts'
import { giveWay, runAtOnce, runInTurns, type Steps } from '../../base/time-slice.ts'
import type { DocumentEdit, EditResult, UpdateOptions } from '../api/database.ts'
import { awaiting, reading } from '../errors/layer-errors.ts'
import { checkPartitionedId } from '../layout/partition.ts'
import { type EditContext, partsOf, type ReadyEdits, readySteps } from './edits.ts'
import {
  type AppendCopy,
  hasMovedContent,
  MovedContent,
  type PlacedEdit,
  releaseContent,
  withPresentContent,
} from './moved-content.ts'

/** So many edits are made ready in one go. */
const SHORT_REQUEST = 256

/** Who writes the edits. */
export interface EditWriter {
  /**
   * Writes a part of a request as one transaction, in the order of the calls, and puts the results into their places.
   * Rejects with MovedContent where it names bytes of another file than the store's.
   */
  write(part: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void>
  readonly append: AppendCopy
}

/** Waits for every one of them, also when one rejects: then rejects as the first that did. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(promises)
  for (const each of settled) if (each.status === 'rejected') throw each.reason
}

export class EditPath {
  readonly #writer: EditWriter
  readonly #partitioned: boolean
  readonly #clock: Pick<Clock, 'now'>

  constructor(writer: EditWriter, partitioned: boolean, clock: Pick<Clock, 'now'>) {
    this.#writer = writer
    this.#partitioned = partitioned
    this.#clock = clock
  }

  /** What edits of a request made now have in common. */
  context(newEdits: boolean): EditContext {
    return { newEdits, partitioned: this.#partitioned, nowMs: this.#clock.now() }
  }

  /** As `Database.update`. */
  async update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    try {
      return await this.updateHeld(edits, options)
    } finally {
      releaseContent(edits)
    }
  }

  /** The same, for who releases the content of the edits. */
  async updateHeld(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    for (let salt: bigint | undefined; ; ) {
      // Nothing is awaited for an ordinary request, which takes its place at the writer before the call returns.
      const present = hasMovedContent(edits, salt) ? await this.#brought(edits, salt) : edits
      try {
        return await this.#update(present, options)
      } catch (error) {
        if (!(error instanceof MovedContent)) throw error
        salt = error.salt
      }
    }
  }

  #brought(edits: readonly DocumentEdit[], salt: bigint | undefined): Promise<readonly PlacedEdit[]> {
    return awaiting(withPresentContent(edits, salt, this.#writer.append))
  }

  async #update(edits: readonly PlacedEdit[], options: UpdateOptions): Promise<EditResult[]> {
    const steps = this.#readySteps(edits, options)
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

  *#readySteps(edits: readonly PlacedEdit[], options: UpdateOptions): Steps<ReadyEdits> {
    if (this.#partitioned) for (const { id } of edits) checkPartitionedId(id)
    return yield* readySteps(edits, this.context(options.newEdits !== false))
  }
}
