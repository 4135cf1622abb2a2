/**
 * The resynchronisation of a database: the sync function in force is run over all leaves of all documents, as after it was changed.
 * What it says is kept beside the documents (see `store/overrides.ts`). What holds:
 * - Users see none of it by half: the database is offline from before its first step until its last one is durable, also
 *   across a crash, and after one that was cancelled or has failed.
 * - It is a task, which goes on where its last transaction ended: when it is asked for again, and by itself when the database is
 *   opened. It ends with what one would have ended with that was never broken off.
 */
import { setMaxListeners } from 'node:events'
import type { Task, TaskRegistry } from '../../workers/tasks.ts'
import { GatewayError } from '../errors.ts'
import type { Visits } from '../visits.ts'
import { type ResyncTarget, resyncBatch } from './resync-batch.ts'

/** What is resynchronised, as a whole. */
export interface ResyncedDatabase extends ResyncTarget {
  readonly name: string
  readonly visits: Visits
  /** The configuration that was set last comes into force. */
  takeConfig(): Promise<void>
}

export type ResyncStatus = 'running' | 'stopped' | 'required' | 'completed'

interface Run {
  stop: AbortController
  /** Resolves with the number of documents of which the function says something else than before. */
  ended: Promise<number>
}

export class Resync {
  readonly #database: ResyncedDatabase
  readonly #tasks: TaskRegistry
  #run: Run | undefined

  constructor(database: ResyncedDatabase, tasks: TaskRegistry) {
    this.#database = database
    this.#tasks = tasks
  }

  get isRunning(): boolean {
    return this.#run !== undefined
  }

  /** `required`: documents may be under another function than the one in force. */
  get status(): ResyncStatus {
    const { mark } = this.#database
    if (this.isRunning) return 'running'
    if (mark.place !== undefined) return 'stopped'
    return mark.isMixed ? 'required' : 'completed'
  }

  /**
   * Begins, or goes on, with the function that is to be in force. Resolves at the end, as `Run.ended`. Rejects with 503 where it
   * was broken off, and as the database does.
   */
  start(): Promise<number> {
    const stop = new AbortController()
    // Every call of the function listens.
    setMaxListeners(0, stop.signal)
    const ended = this.#play(stop).finally(() => {
      this.#run = undefined
    })
    this.#run = { stop, ended }
    return ended
  }

  /** Breaks it off, if it runs. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#run?.stop.abort()
    await this.#run?.ended.catch(() => undefined)
  }

  async #play(stop: AbortController): Promise<number> {
    const task = this.#tasks.start({
      type: 'gateway_resync',
      database: this.#database.name,
      phase: 'sync_function',
      cancel: () => stop.abort(),
    })
    try {
      const changes = await this.#pass(stop.signal, task)
      task.end('completed')
      return changes
    } catch (error) {
      if (!stop.signal.aborted) {
        task.end('failed', error)
        throw error
      }
      task.end('cancelled')
      throw new GatewayError(503, 'The resynchronisation was broken off', { cause: error })
    }
  }

  async #pass(signal: AbortSignal, task: Task): Promise<number> {
    const database = this.#database
    await database.visits.left()
    await database.takeConfig()
    let place = await database.mark.begin()
    for (;;) {
      signal.throwIfAborted()
      const totalChanges = database.database.updateSeqNumber
      task.update({
        phase: 'sync_function',
        changesDone: place.since,
        totalChanges,
        bytesDone: 0,
        bytesTotal: 0,
      })
      const next = await resyncBatch(database, place, signal)
      if (next !== undefined) place = next
      else if (await this.#end(place.since)) return place.changes
    }
  }

  /** False where something was written since. */
  #end(since: number): Promise<boolean> {
    const { queue, mark, database } = this.#database
    return queue.alone(async () => {
      // A purge takes a number, and leaves no row.
      if ([...database.changes({ since, limit: 1 }).rows].length > 0) return false
      await mark.end()
      return true
    })
  }
}
