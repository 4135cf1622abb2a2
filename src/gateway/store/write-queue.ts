/**
 * The one way on which a gateway's database is written: writes of all requests, together in groups, one group at a time. So
 * what a write is checked against is what is there when it is written, and its number in the update sequence, which its
 * record holds, is known before: nobody else writes to the database. What holds:
 * - A document is in a group once at most; its next write is in a later one.
 * - Documents take their numbers in the order in which their writes came.
 * - A write is acknowledged when it is durable, with its entries in the index, and what is in memory has it.
 */
import { describeError, type Log } from '../../base/log.ts'
import type { DocumentEdit, OwnedDatabase } from '../../database/api/database.ts'
import { GatewayError } from '../errors.ts'

/** A write that was found to be possible. */
export interface CheckedWrite {
  /** The document's edit, and what is written with it beside the sequence. `seq` is the number that it will have. */
  edits(seq: number): DocumentEdit[]
  /** It is durable: what is in memory is to take it. */
  applied(): void
}

export interface Write {
  readonly id: string
  /** Called when its turn has come. Undefined: there is nothing to be written. What it throws goes to the caller. */
  check(): CheckedWrite | undefined
}

interface QueuedWrite {
  write: Write
  resolve: () => void
  reject: (error: unknown) => void
}

interface QueuedWork {
  work: () => Promise<void>
}

const MOST_TOGETHER = 128
const MOST_WAITING = 10_000

export interface WriteQueueOptions {
  database: OwnedDatabase
  log: Log
  /** Something was written, and what is in memory has it. */
  onWritten(): void
  /** Numbers are not what they were said to be: the index has to be made anew. */
  onBroken(): Promise<void>
}

export class WriteQueue {
  readonly #options: WriteQueueOptions
  #waiting: (QueuedWrite | QueuedWork)[] = []
  #running: Promise<void> | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  /** Resolves when it is written. Rejects as `check` throws, with 503 where too many wait, and as the database does. */
  write(write: Write): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MOST_WAITING) {
        reject(new GatewayError(503, 'Too many writes wait'))
        return
      }
      this.#waiting.push({ write, resolve, reject })
      this.#start()
    })
  }

  /** Runs `work` when no write is under way, and none during it. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work: () => work().then(resolve, reject) })
      this.#start()
    })
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (this.#waiting.length > 0) this.#start()
    })
  }

  async #run(): Promise<void> {
    // What comes in one go is written together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!
      if ('work' in first) {
        this.#waiting.shift()
        await first.work()
        continue
      }
      await this.#group(this.#take())
    }
  }

  /** The next group: no document twice, and nothing from behind work that runs alone. */
  #take(): QueuedWrite[] {
    const group: QueuedWrite[] = []
    const ids = new Set<string>()
    const rest: (QueuedWrite | QueuedWork)[] = []
    let isOpen = true
    for (const each of this.#waiting) {
      if ('work' in each) isOpen = false
      if (!isOpen || 'work' in each || group.length === MOST_TOGETHER || ids.has(each.write.id)) {
        rest.push(each)
        continue
      }
      ids.add(each.write.id)
      group.push(each)
    }
    this.#waiting = rest
    return group
  }

  async #group(group: readonly QueuedWrite[]): Promise<void> {
    const checked: { queued: QueuedWrite; write: CheckedWrite }[] = []
    for (const queued of group) {
      try {
        const write = queued.write.check()
        if (write === undefined) queued.resolve()
        else checked.push({ queued, write })
      } catch (error) {
        queued.reject(error)
      }
    }
    if (checked.length === 0) return
    const { database } = this.#options
    const base = database.updateSeqNumber
    try {
      const edits = checked.flatMap(({ write }, at) => write.edits(base + 1 + at))
      const results = await database.update(edits, { newEdits: false, inGivenOrder: true })
      const refused = results.find((result) => !result.ok)
      if (refused !== undefined && !refused.ok) {
        // Entries of the index were written for what was refused.
        await this.#repair(refused.refusal)
        throw refused.refusal
      }
    } catch (error) {
      if (database.updateSeqNumber !== base) await this.#repair(error)
      // Whose fault it was is seen when each is written by itself.
      if (checked.length === 1) checked[0]!.queued.reject(error)
      else for (const { queued } of checked) await this.#group([queued])
      return
    }
    if (database.updateSeqNumber !== base + checked.length) {
      await this.#repair(new Error('documents were written by somebody else'))
    } else for (const { write } of checked) write.applied()
    for (const { queued } of checked) queued.resolve()
    this.#options.onWritten()
  }

  async #repair(error: unknown): Promise<void> {
    this.#options.log.error('the index of a gateway database is made anew', {
      reason: describeError(error),
    })
    await this.#options.onBroken()
  }
}
