/**
 * One database on its way: made where it is missing, its `_security` and bound of revisions copied, replicated, and compared. What
 * was done before is not done again: the replication goes on from its checkpoint, and what is the same is not written.
 */
import type { ReplicationOutcome, RunningReplication } from '../../replication/api.ts'
import { parseJob } from '../../replication/job-parser.ts'
import type { MigrationParts, MigrationPeer, PeerCall, PeerReply } from './peer.ts'
import { type DatabaseSummary, summarize } from './tree-digest.ts'

export interface DatabaseSide {
  /** Absolute, credentials apart. */
  readonly url: string
  readonly auth: { readonly basic: { readonly username: string; readonly password: string } } | undefined
}

export interface DatabaseMigrationOptions {
  readonly name: string
  readonly source: DatabaseSide
  readonly target: DatabaseSide
  readonly parts: MigrationParts
  readonly signal: AbortSignal
  /** Hears of how far it is: of the phases `replicating` and `comparing`. */
  readonly onProgress: (phase: string, done: number, total: number) => void
}

export interface Plan {
  readonly documents: number
  readonly deleted: number
  readonly isPartitioned: boolean
  readonly isMissing: boolean
  readonly copiesSecurity: boolean
}

export interface Comparison {
  readonly source: DatabaseSummary
  readonly target: DatabaseSummary
  readonly isEqual: boolean
}

const ADMIN = { name: null, roles: ['_admin'] } as const
const POLL_MS = 250
/** What `_users` is there for is the same everywhere, and its `_security` is the server's. */
const OWN_SECURITY = new Set(['_users'])

/** What keeps a database from being migrated. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

export class DatabaseMigration {
  readonly #options: DatabaseMigrationOptions
  readonly #source: MigrationPeer
  readonly #target: MigrationPeer

  constructor(options: DatabaseMigrationOptions) {
    this.#options = options
    const { source, target } = this.#job(false)
    if (source.kind !== 'remote' || target.kind !== 'remote') throw new MigrationError('a URL is needed')
    this.#source = options.parts.open(source)
    this.#target = options.parts.open(target)
  }

  close(): void {
    this.#source.close()
    this.#target.close()
  }

  #job(continuous: boolean) {
    const { source, target, parts } = this.#options
    return parseJob({ source, target, continuous }, ADMIN, parts.defaults)
  }

  async plan(): Promise<Plan> {
    const { name } = this.#options
    const info = await this.#get(this.#source, '', 'the source')
    const {
      doc_count = 0,
      doc_del_count = 0,
      props,
    } = info as {
      doc_count?: number
      doc_del_count?: number
      props?: { partitioned?: boolean }
    }
    const there = await this.#call(this.#target, { method: 'GET', path: '' })
    if (there.status !== 200 && there.status !== 404) throw refused('the target', there)
    const isMissing = there.status === 404
    const isSame = !isMissing && (await this.#securityToCopy()) === undefined
    return {
      documents: doc_count,
      deleted: doc_del_count,
      isPartitioned: props?.partitioned === true,
      isMissing,
      copiesSecurity: !OWN_SECURITY.has(name) && !isSame,
    }
  }

  /** Undefined where both have the same. */
  async #securityToCopy(): Promise<unknown> {
    const source = await this.#get(this.#source, '_security', 'the source')
    const target = await this.#get(this.#target, '_security', 'the target')
    return JSON.stringify(source) === JSON.stringify(target) ? undefined : source
  }

  /** All that a replication does not bring along. */
  async prepare(plan: Plan): Promise<void> {
    if (plan.isMissing) {
      const query = plan.isPartitioned ? { partitioned: 'true' } : {}
      const made = await this.#call(this.#target, { method: 'PUT', path: '', query })
      // Made by an attempt whose answer was lost.
      if (made.status !== 201 && made.status !== 202 && made.status !== 412) throw refused('the target', made)
    }
    await this.#copyRevsLimit()
    if (OWN_SECURITY.has(this.#options.name)) return
    const security = await this.#securityToCopy()
    if (security !== undefined) await this.#put('_security', security)
  }

  async #copyRevsLimit(): Promise<void> {
    const limit = await this.#get(this.#source, '_revs_limit', 'the source')
    const there = await this.#get(this.#target, '_revs_limit', 'the target')
    if (limit !== there && typeof limit === 'number') await this.#put('_revs_limit', limit)
  }

  async #put(path: string, json: unknown): Promise<void> {
    const put = await this.#call(this.#target, { method: 'PUT', path, json })
    if (put.status !== 200) throw refused(`${path} of the target`, put)
  }

  /** Resolves when all that was there has gone over. */
  async replicate(plan: Plan): Promise<ReplicationOutcome> {
    const total = plan.documents + plan.deleted
    const running = await this.begin(false)
    const tell = (): void => {
      const { changes_pending: pending, revisions_checked: checked } = running.progress()
      const done = pending === null ? checked : Math.max(0, total - pending)
      this.#options.onProgress('replicating', Math.min(done, total), total)
    }
    const timer = setInterval(tell, POLL_MS)
    const stop = (): void => void running.stop()
    this.#options.signal.addEventListener('abort', stop, { once: true })
    try {
      return await running.ended
    } finally {
      clearInterval(timer)
      this.#options.signal.removeEventListener('abort', stop)
    }
  }

  /** A continuous one ends when it is stopped. */
  async begin(continuous: boolean): Promise<RunningReplication> {
    const { runner } = this.#options.parts
    const job = this.#job(continuous)
    return runner.start(job, await runner.idOf(job))
  }

  async compare(plan: Plan): Promise<Comparison> {
    const { signal, onProgress } = this.#options
    const total = 2 * (plan.documents + plan.deleted)
    const counted = [0, 0]
    const tell = (side: number) => (count: number) => {
      counted[side] = count
      onProgress('comparing', Math.min(counted[0]! + counted[1]!, total), total)
    }
    const [source, target] = await Promise.all([
      summarize(this.#source, signal, tell(0)),
      summarize(this.#target, signal, tell(1)),
    ])
    const isEqual =
      source.documents === target.documents &&
      source.deleted === target.deleted &&
      source.leaves === target.leaves &&
      source.digest === target.digest
    return { source, target, isEqual }
  }

  async #get(peer: MigrationPeer, path: string, whose: string): Promise<unknown> {
    const reply = await this.#call(peer, { method: 'GET', path })
    if (reply.status !== 200) throw refused(whose, reply)
    return reply.value
  }

  #call(peer: MigrationPeer, call: PeerCall): Promise<PeerReply> {
    return peer.call(call, this.#options.signal)
  }
}

export function refused(whose: string, { status, value }: PeerReply): MigrationError {
  const { error, reason } = (value ?? {}) as { error?: unknown; reason?: unknown }
  const words = typeof error === 'string' ? `${error}: ${String(reason)}` : `status ${status}`
  return new MigrationError(`${whose} says ${words}`)
}
