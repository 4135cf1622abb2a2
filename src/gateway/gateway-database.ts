/**
 * A database as the gateway serves it: a database of ours that nobody else writes to, with what follows from its documents: an
 * index of who is in which channel, and, in memory, what is granted to whom and who may sign in; and the queue through which it is
 * written.
 */
import { setMaxListeners } from 'node:events'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { giveWay } from '../base/time-slice.ts'
import type { ChangeSource } from '../channels/change-rows.ts'
import { ChannelIndex } from '../channels/channel-index.ts'
import type { DocumentState } from '../channels/document-state.ts'
import { GrantIndex } from '../channels/grant-index.ts'
import { indexEdits, indexedDocuments, indexNames, type StateAt } from '../channels/index-entries.ts'
import { noteEdit } from '../channels/notes.ts'
import { mayRead, type Reader } from '../channels/reader.ts'
import { DEFAULT_SYNC, SyncFunction, type SyncUser } from '../channels/sync-function.ts'
import type { AllDocsRow, DocumentEdit, DocumentView, OwnedDatabase } from '../database/api/database.ts'
import { parseRevision } from '../database/revisions/revision-id.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { Lease } from '../server/open-databases.ts'
import type { TaskRegistry } from '../workers/tasks.ts'
import { Bells } from './changes/bells.ts'
import type { DatabaseConfig } from './config.ts'
import { GatewayError } from './errors.ts'
import { OWN_END, OWN_PREFIX, parsePrincipalId, readPrincipal } from './principals/principal.ts'
import { Principals } from './principals/principals.ts'
import { Sessions } from './principals/sessions.ts'
import { leavesOf } from './store/document-leaves.ts'
import { type GivenDocument, type Writer, type WriteTarget, writeDocument } from './store/document-write.ts'
import { Expiries } from './store/expiries.ts'
import { LocalStore } from './store/local-store.ts'
import { Overrides } from './store/overrides.ts'
import { type RecordedRevision, recordedRevision, stateAt } from './store/revision-record.ts'
import type { WritePlace } from './store/write-order.ts'
import { WriteQueue } from './store/write-queue.ts'
import { Resync } from './sync/resync.ts'
import { SyncMark } from './sync/sync-mark.ts'
import { Visits } from './visits.ts'

/** The note that the index is there, of this form. */
const INDEX = 'index'
const INDEX_VERSION = 1
/** Entries that are written together when the index is made. */
const INDEX_BATCH = 1000
/** Notes of documents that are on their way out. */
const PURGES = 'purge/'

/** Who writes documents. */
export interface DocumentAuthor {
  /** Null for an administrator. */
  readonly name: string | null
  /** As `Writer` has it. */
  requireStill(): void
}

export interface GatewayDatabaseParts {
  name: string
  config: DatabaseConfig
  lease: Lease<OwnedDatabase>
  scripting: Scripting
  tasks: TaskRegistry
  clock: Clock
  random: RandomBytes
  log: Log
}

export class GatewayDatabase implements WriteTarget, ChangeSource {
  readonly name: string
  readonly log: Log
  readonly clock: Clock
  readonly database: OwnedDatabase
  readonly local: LocalStore
  readonly queue: WriteQueue
  readonly sessions: Sessions
  readonly overrides: Overrides
  readonly random: RandomBytes
  readonly mark: SyncMark
  readonly resync: Resync
  readonly visits: Visits
  sync: SyncFunction
  /** As it is in force. */
  config: DatabaseConfig
  /** As an administrator has set it since; it comes into force when the database comes online. */
  pendingConfig: DatabaseConfig
  isOnline: boolean
  /** Since it was opened, in microseconds of Unix time. */
  readonly startTimeUs: number
  readonly #scripting: Scripting
  readonly #lease: Lease<OwnedDatabase>
  readonly #expiries: Expiries
  readonly bells = new Bells()
  /** Ends what goes on for long, at the end and when the database goes offline. */
  #ended = feedsEnd()
  /** When what was broken off has ended. */
  #comesOnline = false
  /** What cancels that it comes online later. */
  readonly #delayed = new Set<() => void>()
  #isNotifying = false
  #indexedSeq = 0
  #channels: ChannelIndex
  #principals = this.#newPrincipals()

  private constructor({ name, config, lease, scripting, tasks, clock, random, log }: GatewayDatabaseParts) {
    this.name = name
    this.config = config
    this.pendingConfig = config
    this.isOnline = config.offline !== true
    this.log = log
    this.clock = clock
    this.random = random
    this.#lease = lease
    this.#scripting = scripting
    this.database = lease.database
    this.startTimeUs = clock.now() * 1000
    this.local = new LocalStore(lease.database)
    this.overrides = new Overrides(this.local)
    this.mark = new SyncMark(this.local)
    this.resync = new Resync(this, tasks)
    this.visits = new Visits(clock)
    this.#channels = new ChannelIndex(this.local, 0)
    this.sessions = new Sessions(this.local, clock, random)
    this.sync = this.#syncOf(config)
    this.queue = new WriteQueue({
      database: lease.database,
      log,
      onWritten: () => this.changed(),
      onBroken: async () => {
        await this.#load()
        this.changed()
      },
    })
    this.#expiries = new Expiries(clock, (ids) => this.#expire(ids))
  }

  /** Takes the lease over. */
  static async open(parts: GatewayDatabaseParts): Promise<GatewayDatabase> {
    const { config, lease } = parts
    const opened = new GatewayDatabase(parts)
    if (config.revs_limit !== undefined) await lease.database.setRevsLimit(config.revs_limit)
    await opened.#load()
    opened.mark.load()
    await opened.#markFunction(config)
    // One that was broken off ends before anybody sees what it has done.
    if (opened.mark.place !== undefined) opened.#resume()
    return opened
  }

  get channels(): ChannelIndex {
    return this.#channels
  }

  get principals(): Principals {
    return this.#principals
  }

  /** Aborted when the database goes offline, is closed or deleted. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** The last change that is durable and in all indexes. */
  get indexedSeq(): number {
    return this.#indexedSeq
  }

  /** Something was written, and what is in memory has it. Who follows is told once of what was written together. */
  changed(): void {
    this.#indexedSeq = this.database.updateSeqNumber
    if (this.#isNotifying) return
    this.#isNotifying = true
    setImmediate(() => {
      this.#isNotifying = false
      this.bells.ring()
    })
  }

  #newPrincipals(): Principals {
    return new Principals(new GrantIndex(), new GrantIndex(), () => this.bells.changedReaders())
  }

  readonly recorded = (view: DocumentView): RecordedRevision => this.overrides.apply(recordedRevision(view))

  leaves(id: string) {
    return leavesOf(this.database, id, this.recorded)
  }

  stateOf(id: string): DocumentState | undefined {
    return this.leaves(id)?.latest.record.state
  }

  accountOf(id: string): string | null | undefined {
    if (!id.startsWith(OWN_PREFIX)) return undefined
    const account = parsePrincipalId(id)
    return account === undefined ? null : `_${account.kind}/${account.name}`
  }

  /** As `writeDocument`. */
  write(
    given: GivenDocument,
    { name: userName, requireStill }: DocumentAuthor,
    signal?: AbortSignal,
    place?: WritePlace,
  ): Promise<string> {
    const writer: Writer = {
      requireStill,
      asked: () => this.#syncUser(userName),
      mayRead: ({ record }) => {
        const reader = userName === null ? null : this.reader(userName)
        return reader !== undefined && mayRead(reader, record.output.channels)
      },
    }
    return writeDocument(this, given, writer, signal, place)
  }

  #syncUser(name: string | null): SyncUser | null {
    if (name === null) return null
    const reader = this.#principals.reader(name)
    if (reader === undefined) return { name, roles: [], channels: [] }
    return { name, roles: [...reader.roles.keys()], channels: [...reader.channels.keys()] }
  }

  moved(id: string, before: StateAt | undefined, after: StateAt | undefined): void {
    if (after !== undefined) {
      this.#channels.moved(after)
      this.bells.moved(after)
    }
    const granted = this.#principals.channelGrants.move(id, before?.state.access, after?.state.access)
    const appointed = this.#principals.roleGrants.move(id, before?.state.roles, after?.state.roles)
    if (granted || appointed) this.#principals.forget()
    this.#expiries.set(id, after?.expiry)
  }

  /** Takes documents away as if they had never been. Resolves with the ids of those that were there. */
  purge(ids: readonly string[]): Promise<string[]> {
    return this.queue.alone(async () => {
      const purged: string[] = []
      for (const id of ids) if (await this.#purgeOne(id)) purged.push(id)
      if (purged.length > 0) this.changed()
      return purged
    })
  }

  /** What the index has of it goes first, with a note that the document is to follow, for one that breaks off. */
  async #purgeOne(id: string): Promise<boolean> {
    const leaves = id.startsWith(OWN_PREFIX) ? undefined : this.leaves(id)
    if (leaves === undefined) return false
    const before = stateAt(leaves.latest)
    await this.local.change([noteEdit(PURGES + id, '1'), ...indexEdits(id, before, undefined)])
    this.moved(id, before, undefined)
    await this.#takeAway(id)
    return true
  }

  async #takeAway(id: string): Promise<void> {
    const leaves = this.leaves(id)?.leaves ?? []
    const revisions = leaves.map(({ view }) => parseRevision(view.rev))
    if (revisions.length > 0) await this.database.purge([{ id, revisions }])
    await this.overrides.forget(id)
    await this.local.change([noteEdit(PURGES + id, undefined)])
  }

  async #expire(ids: readonly string[]): Promise<void> {
    await this.purge(ids)
  }

  /** Makes all that is in memory from what is stored. */
  async #load(): Promise<void> {
    this.overrides.load()
    if (this.local.note(INDEX) !== INDEX_VERSION) await this.#index()
    for (const [name] of [...this.local.notes(PURGES)]) await this.#takeAway(name.slice(PURGES.length))
    this.#channels = new ChannelIndex(this.local, this.database.updateSeqNumber)
    const principals = this.#newPrincipals()
    this.#principals = principals
    for (const { id, document } of this.database.allDocs({ startKey: OWN_PREFIX, endKey: OWN_END }).rows) {
      if (parsePrincipalId(id) !== undefined) principals.put(readPrincipal(id, document().body()))
      await giveWay()
    }
    for (const [id, { access, roles }, expiry] of indexedDocuments(this.local)) {
      principals.channelGrants.move(id, undefined, access)
      principals.roleGrants.move(id, undefined, roles)
      this.#expiries.set(id, expiry)
      await giveWay()
    }
    principals.forget()
    this.#indexedSeq = this.database.updateSeqNumber
  }

  /** Makes the index from the documents. */
  async #index(): Promise<void> {
    await this.local.removeNote(INDEX)
    let edits: DocumentEdit[] = []
    const write = async (least: number): Promise<void> => {
      if (edits.length < least) return
      await this.local.change(edits)
      edits = []
    }
    for (const name of indexNames(this.local)) {
      edits.push(noteEdit(name, undefined))
      await write(INDEX_BATCH)
    }
    for (const { id } of this.database.changes({}).rows) {
      if (id.startsWith(OWN_PREFIX)) continue
      edits.push(...indexEdits(id, undefined, stateAt(this.leaves(id)!.latest)))
      await write(INDEX_BATCH)
      await giveWay()
    }
    await write(1)
    await this.local.setNote(INDEX, INDEX_VERSION)
  }

  #syncOf(config: DatabaseConfig): SyncFunction {
    return new SyncFunction(this.#scripting, config.sync ?? DEFAULT_SYNC, this.name)
  }

  /** The configuration that was set last comes into force. */
  async takeConfig(): Promise<void> {
    const config = this.pendingConfig
    // First, so that nothing is written under a function that the mark does not know of.
    await this.#markFunction(config)
    if (config.sync !== this.config.sync) this.sync = this.#syncOf(config)
    this.config = config
    if (config.revs_limit !== undefined) await this.database.setRevsLimit(config.revs_limit)
  }

  async #markFunction({ sync = DEFAULT_SYNC }: DatabaseConfig): Promise<void> {
    const isOther = await this.mark.take(sync, () => this.#hasDocuments())
    if (!isOther || !this.mark.isMixed) return
    this.log.warning('documents are under another sync function than the one in force', {
      database: this.name,
    })
  }

  async #hasDocuments(): Promise<boolean> {
    for (const { id } of this.database.changes({}).rows) {
      if (!id.startsWith(OWN_PREFIX)) return true
      await giveWay()
    }
    return false
  }

  #resume(): void {
    this.#comesOnline = this.isOnline
    this.isOnline = false
    const done = (): void => {
      this.isOnline = this.#comesOnline
    }
    // What became of it else is in the log, with its task.
    this.resync.start().then(done, () => undefined)
  }

  /** Feeds end, and users are let in no more. Resolves when the last one has left. */
  async goOffline(): Promise<void> {
    this.isOnline = false
    this.#comesOnline = false
    this.interrupt()
    await this.visits.left()
  }

  /** Rejects with 503 while a resynchronisation is not done. */
  async goOnline(): Promise<void> {
    if (this.isOnline) return
    this.#requireResynced()
    await this.takeConfig()
    this.#requireResynced()
    this.isOnline = true
  }

  /** Later, unless it is closed before that. Throws 503 while a resynchronisation is not done; what is so then is in the log. */
  goOnlineIn(delayMs: number): void {
    this.#requireResynced()
    const cancel = this.clock.after(delayMs, () => {
      this.#delayed.delete(cancel)
      this.goOnline().catch((error: unknown) =>
        this.log.warning('a database did not come online', {
          database: this.name,
          reason: describeError(error),
        }),
      )
    })
    this.#delayed.add(cancel)
  }

  #requireResynced(): void {
    if (this.resync.isRunning) {
      const reason = 'Database _resync is in progress, this may take some time, try again later'
      throw new GatewayError(503, reason)
    }
    if (this.mark.place !== undefined) {
      throw new GatewayError(
        503,
        'Database _resync was broken off, and has to be called once more before _online',
      )
    }
  }

  /** The reader of that name as he is now; undefined where there is none, or he is disabled. */
  reader(name: string): Reader | undefined {
    return this.#principals.user(name)?.isDisabled === false ? this.#principals.reader(name) : undefined
  }

  /** Live documents in the order of their ids, from `startKey` on, without the gateway's own. */
  *documents(startKey: string | undefined, endKey: string | undefined): Generator<AllDocsRow> {
    const isBehind = startKey !== undefined && startKey >= OWN_PREFIX
    if (!isBehind) yield* this.#range(startKey, minimum(endKey, OWN_PREFIX))
    yield* this.#range(isBehind && startKey > OWN_END ? startKey : OWN_END, endKey)
  }

  *#range(startKey: string | undefined, endKey: string | undefined): Generator<AllDocsRow> {
    const { rows } = this.database.allDocs({ startKey, endKey })
    for (const row of rows) if (!row.id.startsWith(OWN_PREFIX)) yield row
  }

  /** Feeds end. */
  interrupt(): void {
    this.#ended.abort()
    this.#ended = feedsEnd()
  }

  /** Feeds end, waiting writes are done, the lease is given back. */
  async close(): Promise<void> {
    this.#ended.abort()
    this.#expiries.stop()
    for (const cancel of this.#delayed) cancel()
    await this.resync.stop()
    await this.queue.idle()
    this.#lease.release()
  }
}

/** Every feed listens to it. */
function feedsEnd(): AbortController {
  const end = new AbortController()
  setMaxListeners(0, end.signal)
  return end
}

function minimum(a: string | undefined, b: string): string {
  return a !== undefined && a < b ? a : b
}
