/**
 * Bytes handed to write() for each document of random updates, in batches of 1, 10, 100 and 1,000. Ours is counted
 * over whole checkpoint cycles, from the end of one to the end of another, and its syncs are left out, which
 * changes no byte. The others get a fixed number of updates. The kernel counts for all (`/proc/self/io`); what
 * our store counts itself is given by kind beside it.
 */

import { Documents } from '../../../src/lab/measure/documents.ts'
import { writtenBytes } from '../../../src/lab/measure/process-figures.ts'
import type { Operation, StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import { unsyncedFileSystem } from '../../../src/lab/stores/unsynced.ts'
import { Random } from '../../../test/support/random.ts'
import { OURS } from '../../peers/engines.ts'
import { openNative } from '../../peers/native.ts'
import { CYCLES, Cycles, kindsOf } from '../cycles.ts'
import type { Figures, StepContext } from '../step.ts'

export const UPDATE_BATCHES = [1, 10, 100, 1000]
/** A cycle that does not end is given up after as many updates as this many times the documents. */
const MOST_PASSES = 8
const MOST_AT_LEAST = 3_000_000

/** `operations` is the number of updates in each size of batch, for engines without cycles. */
export async function updates(context: StepContext): Promise<Figures> {
  const figures: Figures = {}
  for (const [index, batch] of UPDATE_BATCHES.entries()) {
    const store = await openFor(context)
    const source = new Updates(context, batch)
    if (context.engine === OURS) {
      const most = Math.max(MOST_AT_LEAST, context.documents * MOST_PASSES)
      Object.assign(figures, await overCycles(store, source, most))
    } else {
      // One document a commit really waits for the disk: fewer tell as much.
      const count = batch === 1 ? Math.ceil(context.operations / 10) : context.operations
      const before = writtenBytes()
      let done = 0
      for (; done < count; done += batch) await commit(store, source.next())
      figures[`updates.${batch}.bytes`] = (writtenBytes() - before) / done
    }
    await store.close()
    context.progress((index + 1) / UPDATE_BATCHES.length)
  }
  return figures
}

function openFor(context: StepContext): Promise<StoreAdapter> {
  if (context.engine !== OURS) return context.open().open(context.path, context)
  return openNative(context.path, context, { fileSystem: unsyncedFileSystem })
}

async function commit(store: StoreAdapter, operations: readonly Operation[]): Promise<void> {
  if (store.commitSync === undefined) await store.commit(operations)
  else store.commitSync(operations)
}

/** Random updates of the documents that were loaded, a batch at a time. */
export class Updates {
  readonly batch: number
  readonly #random: Random
  readonly #made: Documents
  readonly #documents: number
  #version: number

  constructor({ seed, round, documents }: Pick<StepContext, 'seed' | 'round' | 'documents'>, batch: number) {
    this.batch = batch
    this.#random = new Random(seed * 1000 + round * 10_000 + batch)
    this.#made = new Documents(seed)
    this.#documents = documents
    this.#version = 2 + round * 10_000 + batch
  }

  next(): Operation[] {
    const operations: Operation[] = []
    for (let i = 0; i < this.batch; i++) {
      operations.push(this.#made.put(this.#random.int(this.#documents), this.#version))
    }
    return operations
  }
}

/**
 * Updates until CYCLES whole checkpoint cycles have passed, from the end of one to the end of another; fewer when
 * `most` updates were not enough. Throws when none ended.
 */
export async function overCycles(store: StoreAdapter, source: Updates, most: number): Promise<Figures> {
  const name = `updates.${source.batch}`
  const cycles = new Cycles(store)
  let done = 0
  let from: { done: number; written: number; kinds: Record<string, number> } | undefined
  for (;;) {
    await store.commit(source.next())
    done += source.batch
    if (!cycles.ended() && done < most) continue
    const now = { done, written: writtenBytes(), kinds: store.bytesWritten?.() ?? {} }
    if (from === undefined) {
      if (done >= most) throw new Error(`no checkpoint ended within ${done} updates`)
      from = now
      cycles.restart()
    } else if (cycles.count >= CYCLES || done >= most) {
      const updated = now.done - from.done
      return {
        [`${name}.bytes`]: (now.written - from.written) / updated,
        [`${name}.cycles`]: cycles.count,
        ...kindsOf(name, from.kinds, now.kinds, updated),
      }
    }
  }
}
