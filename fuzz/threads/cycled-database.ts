/**
 * A database that one client makes, marks, deletes and makes again under one name, while others read it. What a read may
 * show goes round: no database, one without the mark, one with the mark of this time.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../test/support/random.ts'
import { Caller, type Life } from './life.ts'
import { Register } from './numbered.ts'

const NONE = 0
const EMPTY = 1
const MARKED = 2
const PHASES = 3
/** No revision guards these: what was cut off is given the time to be done before the next. */
const UNGUARDED_MS = 500

/** The latest step up to `last` that is of this phase. */
function latest(phase: number, last: number): number {
  return last - ((last - phase + PHASES) % PHASES)
}

export class CycledDatabase {
  readonly #name: string
  readonly #random: Random
  /** Steps taken: the remainder says which phase it is, the quotient which database. */
  readonly #steps = new Register()

  constructor(name: string, random: Random) {
    this.#name = name
    this.#random = random
  }

  async run(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    try {
      while (life.goesOn || (this.#steps.isInDoubt && life.isUp)) await this.#step(caller)
    } finally {
      caller.close()
    }
  }

  /** Takes what was in doubt as it is found. */
  async adopt(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    await this.#look(caller)
    caller.close()
  }

  /** Goes on from what is there, where that was in doubt. */
  async #step(caller: Caller): Promise<void> {
    const wasInDoubt = this.#steps.isInDoubt
    if (wasInDoubt) {
      await delay(UNGUARDED_MS)
      if (!(await this.#look(caller))) return
    }
    this.#steps.sent = this.#steps.floor
    const step = this.#steps.begin()
    const method = step % PHASES === NONE ? 'DELETE' : 'PUT'
    const isMark = step % PHASES === MARKED
    const path = isMark ? `/${this.#name}/mark` : `/${this.#name}`
    const reply = await caller.send(method, path, isMark ? { step } : undefined)
    if (reply === undefined) return
    if (reply.status >= 300) {
      // What was cut off was done in the end.
      if (wasInDoubt) caller.life.coverage.count('lateWrites')
      else caller.life.fault(`step ${step}: ${method} ${path}: ${reply.status} ${reply.bytes}`)
      return
    }
    this.#steps.acknowledge(step)
    if (step % PHASES === NONE) caller.life.coverage.count('databasesCycled')
  }

  async #look(caller: Caller): Promise<boolean> {
    const shown = await this.#read(caller)
    if (shown === undefined) return false
    this.#steps.acknowledge(shown)
    return true
  }

  /** Reads it and tells what is wrong. */
  async read(caller: Caller): Promise<void> {
    await this.#read(caller)
  }

  /** The latest step that may have been shown; undefined where the connection was cut. */
  async #read(caller: Caller): Promise<number | undefined> {
    const before = this.#steps.floor
    const path = `/${this.#name}/mark`
    const reply = await caller.send('GET', path)
    if (reply === undefined) return undefined
    const { step, reason } = JSON.parse(String(reply.bytes)) as { step?: number; reason?: string }
    const phase = reason?.startsWith('Database') ? NONE : EMPTY
    const shown = step ?? latest(phase, this.#steps.sent)
    const isStale = shown < before || shown > this.#steps.sent
    caller.life.check(path, isStale ? `shows step ${shown} (${reason}) after ${before}` : undefined)
    return shown
  }
}
