/**
 * Fair shares, as CouchDB's scheduler has them (J. Kay, P. Lauder, "A Fair Share Scheduler", 1988). Each replicator database
 * has shares, from 1 to 1000. In every cycle the time that its jobs have run is charged to it; what it has used before counts
 * for less each time. A job that has run is put back, the further the more its database has used and the more jobs that has,
 * and the less the more shares it has; all priorities fade, so that every job's turn comes.
 *
 * Since all of them fade by the same factor, their order stays, and one number does for all: a job's priority is kept in units
 * of it.
 */
import type { Job } from './job.ts'

export interface ShareSettings {
  readonly shares: ReadonlyMap<string, number>
  /** What is left of a database's usage after a cycle, and of a job's priority. */
  readonly usageCoefficient: number
  readonly priorityCoefficient: number
}

const DEFAULT_SHARES = 100
/** Microseconds, in which CouchDB charges. */
const MICROSECONDS = 1000
/** With less than that the numbers of jobs that have run lately would grow out of bounds. */
const LEAST_UNIT = 1e-100
const LEAST_COEFFICIENT = 1e-6
/** A usage of less is none. */
const LEAST_USAGE = 1

interface Account {
  jobs: number
  usage: number
  charges: number
}

export class Shares {
  readonly #settings: ShareSettings
  readonly #accounts = new Map<string, Account>()
  #unit = 1

  constructor(settings: ShareSettings) {
    this.#settings = settings
  }

  /** Puts it where it would be had it run for a cycle. */
  jobAdded(job: Job): void {
    this.#account(job.owner).jobs += 1
    this.#putBack(job)
  }

  jobRemoved(job: Job): void {
    const account = this.#accounts.get(job.owner)
    if (account !== undefined) account.jobs -= 1
  }

  /** The time since it was charged last. */
  charge(job: Job, nowMs: number): void {
    const ranMs = Math.max(0, nowMs - job.chargedUntilMs)
    job.chargedUntilMs = nowMs
    this.#account(job.owner).charges += ranMs * MICROSECONDS
  }

  /** The end of a cycle in which these have run; they are charged first. Returns whether all jobs are to be rescaled. */
  update(running: Iterable<Job>): boolean {
    const { usageCoefficient, priorityCoefficient } = this.#settings
    for (const [owner, account] of this.#accounts) {
      account.usage = account.usage * usageCoefficient + account.charges
      account.charges = 0
      if (account.usage < LEAST_USAGE && account.jobs <= 0) this.#accounts.delete(owner)
    }
    this.#unit *= Math.max(LEAST_COEFFICIENT, priorityCoefficient)
    for (const job of running) this.#putBack(job)
    return this.#unit < LEAST_UNIT
  }

  /** All jobs there are, none of them missing, in units that have room again. Their order stays. */
  rescale(jobs: Iterable<Job>): void {
    for (const job of jobs) job.priority *= this.#unit
    this.#unit = 1
  }

  #putBack(job: Job): void {
    const { usage, jobs } = this.#account(job.owner)
    const shares = this.#settings.shares.get(job.owner) ?? DEFAULT_SHARES
    job.priority += (usage * jobs) / (shares * shares) / this.#unit
  }

  #account(owner: string): Account {
    let account = this.#accounts.get(owner)
    if (account === undefined) {
      account = { jobs: 0, usage: 0, charges: 0 }
      this.#accounts.set(owner, account)
    }
    return account
  }
}
