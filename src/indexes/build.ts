/**
 * One build: an index is brought up to what its database is now. While the rows of a batch are written those of the next ones
 * are made, and others are read. What is written is whole batches in their order, so a build may end at any moment, and the
 * next one goes on from there.
 */
import { restIfDue } from '../base/rest.ts'
import { isMachineBusy } from '../base/serving-load.ts'
import { giveWay } from '../base/time-slice.ts'
import type { FollowedDatabase } from '../database/shared/followed-database.ts'
import type { IndexDefinition } from './api.ts'
import { type Batch, readBatch, TextRoom } from './batch.ts'
import { DocumentTexts } from './document-texts.ts'
import type { IndexFile } from './index-file.ts'
import type { MadeRows, RowMaker } from './row-making.ts'

/**
 * After so many changes the nodes are written out, with what reduces give of them: whoever opens the index then has
 * neither to replay them nor to reduce them.
 */
const MANY_CHANGES = 1000
/** An index of so many changes is worth a file that is made as a whole. */
const MANY_FIRST_CHANGES = 4000
/** Batches that are read and not written. */
const MOST_UNDER_WAY = 3
/** While requests take the machine: two threads that work at the same time would leave them less of it. */
const UNDER_WAY_BESIDE_REQUESTS = 1

export interface BuildProgress {
  /** The index is built up to here. */
  readonly updateSeq: number
  /** Changes that this build has written, and those that it knows of. */
  readonly changesDone: number
  readonly totalChanges: number
}

export interface BuildParts {
  readonly database: FollowedDatabase
  readonly definition: IndexDefinition
  readonly file: IndexFile
  readonly maker: RowMaker
  readonly signal: AbortSignal
  onProgress(progress: BuildProgress): void
}

interface UnderWay {
  readonly batch: Batch
  readonly rows: AsyncIterator<MadeRows, void, void>
  /** What is made while others are written. */
  readonly first: Promise<IteratorResult<MadeRows, void>>
}

/** Rejects with what the maker rejects with, IndexOutdated, what storage throws, and the signal's reason. */
export async function build(parts: BuildParts): Promise<void> {
  const { database, definition, file, maker, signal, onProgress } = parts
  const texts = new DocumentTexts(definition, maker.members)
  const underWay: UnderWay[] = []
  let { state } = file
  let read = 0
  let done = 0
  let isRead = false
  // Texts of a batch are looked at until its rows are written.
  const rooms = Array.from({ length: MOST_UNDER_WAY + 1 }, () => new TextRoom())
  let turn = 0
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  try {
    while (!isRead || underWay.length > 0) {
      signal.throwIfAborted()
      if (!isRead && underWay.length < mostUnderWay()) {
        await database.refresh()
        restIfDue()
        const room = rooms[turn++ % rooms.length]!
        const batch = readBatch(database, definition, state, texts, room)
        const rows = maker.make(batch.texts, either)
        const first = rows.next()
        restIfDue()
        // It is awaited when its turn has come.
        first.catch(() => undefined)
        underWay.push({ batch, rows, first })
        if (read === 0) {
          const totalChanges = batch.changes + batch.left
          if (state.newUpTo === undefined && totalChanges >= MANY_FIRST_CHANGES) file.beginCollecting()
          onProgress({ updateSeq: state.updateSeq, changesDone: 0, totalChanges })
        }
        state = batch.state
        read += batch.changes
        isRead = batch.isLast
        await giveWay()
        continue
      }
      const { batch, rows, first } = underWay.shift()!
      const totalChanges = Math.max(read, done + batch.changes + batch.left)
      await write(file, batch, rows, first, (documents) =>
        onProgress({ updateSeq: file.state.updateSeq, changesDone: done + documents, totalChanges }),
      )
      done += batch.changes
      onProgress({ updateSeq: file.state.updateSeq, changesDone: done, totalChanges })
      // What makes rows is given the next texts.
      await giveWay()
    }
    await file.finishCollecting()
    restIfDue()
    if (done >= MANY_CHANGES) await file.store.checkpoint()
    restIfDue()
  } finally {
    ended.abort()
    file.dropCollected()
    // Rows that are still made of texts in them are looked at by nobody.
    for (const room of rooms) room.release()
  }
}

function mostUnderWay(): number {
  return isMachineBusy() ? UNDER_WAY_BESIDE_REQUESTS : MOST_UNDER_WAY
}

/** Many rows of one batch are written in parts; only with the last one does the index say that it has them. */
async function write(
  file: IndexFile,
  batch: Batch,
  rows: UnderWay['rows'],
  first: UnderWay['first'],
  onPart: (documents: number) => void,
): Promise<void> {
  let done = 0
  let made = await first
  restIfDue()
  while (made.done !== true && done + made.value.count < batch.documents.length) {
    await file.writePart(batch, done, made.value)
    done += made.value.count
    onPart(done)
    made = await rows.next()
  }
  await file.writeLast(batch, done, made.done === true ? undefined : made.value)
}
