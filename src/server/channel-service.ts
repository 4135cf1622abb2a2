/**
 * What users see of databases with channels, in the thread that writes them: an index for each such database, a database of its
 * own in DATA/channels/, which is made when somebody asks, brought up to date whenever somebody asks, and goes with its database.
 * What holds: what is told of a user is as new as the database and its `_security` were when he asked, or newer.
 */
import { join } from 'node:path'
import type { UserCtx } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import { makeDirectory } from '../base/durable-file.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { ChannelIndexer } from '../channels/channel-indexer.ts'
import { channelSettings } from '../channels/channel-settings.ts'
import type { HeldSight } from '../channels/channel-sight.ts'
import { channelRefusal } from '../channels/channelled-database.ts'
import { databaseReader, readerTag } from '../channels/database-reader.ts'
import type { Reader } from '../channels/reader.ts'
import { changing } from '../channels/seen-documents.ts'
import { SyncFunctions } from '../channels/sync-function.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Database, OwnedDatabase } from '../database/api/database.ts'
import { isReplicatorDatabase } from '../replicator/documents/replicator-document.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { TaskRegistry } from '../workers/tasks.ts'
import type { AutomaticCompaction } from './automatic-compaction.ts'
import type { Compactions } from './compactions.ts'
import { EventBus } from './event-bus.ts'
import type { Lease } from './open-databases.ts'
import { ownCompactions } from './own-compactions.ts'
import { type DatabaseOpener, DatabaseRegistry } from './registry.ts'

const FOLDER = 'channels'
/** An index that stays is found to be of another database, or goes at the next start. */
const LEFT = (): void => undefined
/** Indexes that are open at once. */
const MOST_OPEN = 200

export interface ChannelServiceOptions {
  dataDir: string
  databases: DatabaseRegistry
  opener: DatabaseOpener
  scripting: Scripting
  bus: Pick<EventBus, 'on'>
  tasks: TaskRegistry
  settings: SettingsRegistry
  clock: Clock
  log: Log
}

/** What is found of a user, without the index. */
export interface UserLook {
  readonly reader: Reader
  readonly tag: string
  readonly seq: number
  readonly grantsVersion: number
  /** The text of the sync function. */
  readonly sync: string
}

interface Opened {
  readonly registry: DatabaseRegistry
  readonly compactions: Compactions
  readonly automaticCompaction: AutomaticCompaction
}

export class ChannelService {
  readonly #options: ChannelServiceOptions
  readonly #functions: SyncFunctions
  readonly #indexers = new WeakMap<OwnedDatabase, Promise<ChannelIndexer>>()
  readonly #unsubscribe: () => void
  #opened: Promise<Opened> | undefined
  #isClosed = false

  constructor(options: ChannelServiceOptions) {
    this.#options = options
    this.#functions = new SyncFunctions(options.scripting)
    this.#unsubscribe = options.bus.on('deleted', (name) => void this.#forget(name))
  }

  /** As `ChannelsBackend` has it. */
  async sight({ name }: Database, user: UserCtx, signal: AbortSignal): Promise<HeldSight> {
    const { look, index } = await this.#look(name, user, signal)
    const sync = this.#functions.get(name, look.sync)
    return { ...look, sync, index: index.database, release: () => index.release() }
  }

  /** For another thread, which has the index by `lease`. */
  async look(name: string, user: UserCtx, signal: AbortSignal): Promise<UserLook> {
    const { look, index } = await this.#look(name, user, signal)
    index.release()
    return look
  }

  /** The index of a database. Rejects with noDatabase where there is none yet. */
  async lease(name: string): Promise<Lease<OwnedDatabase>> {
    const { registry } = await this.#open()
    return registry.lease(name)
  }

  async #look(
    name: string,
    user: UserCtx,
    signal: AbortSignal,
  ): Promise<{ look: UserLook; index: Lease<OwnedDatabase> }> {
    // Documents of the server's own databases have rules of their own.
    if (name.startsWith('_') || isReplicatorDatabase(name)) throw channelRefusal()
    const { registry } = await this.#open()
    const lease = await this.#options.databases.lease(name)
    try {
      const find = () => this.#lookBy(registry, lease.database, user, signal)
      return await find().catch(async (error: unknown) => {
        if (!(error instanceof DatabaseError) || error.kind !== 'storageDamaged') throw error
        // It follows from the database. If that is what is damaged, the same is met again.
        this.#options.log.warning('an index of channels is made anew', {
          database: name,
          reason: error.reason,
        })
        await registry.delete(name)
        return find()
      })
    } finally {
      lease.release()
    }
  }

  async #lookBy(
    registry: DatabaseRegistry,
    database: OwnedDatabase,
    user: UserCtx,
    signal: AbortSignal,
  ): Promise<{ look: UserLook; index: Lease<OwnedDatabase> }> {
    const { name } = database
    if (!registry.has(name)) await registry.create(name).catch(unlessThere)
    const index = await registry.lease(name)
    try {
      return { look: await this.#lookInto(database, index.database, user, signal), index }
    } catch (error) {
      index.release()
      throw error
    }
  }

  async #lookInto(
    database: OwnedDatabase,
    index: OwnedDatabase,
    user: UserCtx,
    signal: AbortSignal,
  ): Promise<UserLook> {
    const indexer = await this.#indexerOf(index)
    for (;;) {
      const stored = database.security()
      const settings = channelSettings(stored)
      if (settings === undefined) throw changing()
      const seq = await indexer.catchUp(database, this.#functions.get(database.name, settings.sync), signal)
      // Under what `_security` says now, and what documents grant up to that change.
      if (database.security() !== stored) continue
      const reader = databaseReader(settings, indexer, user)
      const tag = readerTag(database.uuid, settings, user, reader)
      return { reader, tag, seq, grantsVersion: indexer.grantsVersion, sync: settings.sync }
    }
  }

  #indexerOf(index: OwnedDatabase): Promise<ChannelIndexer> {
    let indexer = this.#indexers.get(index)
    if (indexer === undefined) {
      indexer = ChannelIndexer.open(index)
      this.#indexers.set(index, indexer)
      // What could not be read may be the next time.
      indexer.catch(() => this.#indexers.delete(index))
    }
    return indexer
  }

  #open(): Promise<Opened> {
    if (this.#isClosed) throw new DatabaseError('shuttingDown')
    if (this.#opened === undefined) {
      this.#opened = this.#openRegistry()
      // What could not be opened may be the next time.
      this.#opened.catch(() => {
        this.#opened = undefined
      })
    }
    return this.#opened
  }

  async #openRegistry(): Promise<Opened> {
    const { dataDir, databases, opener, clock, log } = this.#options
    const bus = new EventBus(log)
    const folder = join(dataDir, FOLDER)
    await makeDirectory(folder)
    const registry = await DatabaseRegistry.open({
      dataDir: folder,
      openDatabase: (path, name) => opener.openDatabase(path, name),
      createDatabase: (path, name) => opener.createDatabase(path, name),
      maxOpen: MOST_OPEN,
      bus,
      clock,
      log,
    })
    const opened = { registry, ...ownCompactions(this.#options, registry, bus) }
    for (const name of registry.list()) if (!databases.has(name)) await registry.delete(name).catch(LEFT)
    return opened
  }

  async #forget(name: string): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    if (opened === undefined || !opened.registry.has(name)) return
    await opened.registry.delete(name).catch(LEFT)
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.automaticCompaction.stop()
    await opened?.compactions.stop()
    await opened?.registry.stop(graceMs)
  }
}

function unlessThere(error: unknown): void {
  if (!(error instanceof DatabaseError) || error.kind !== 'databaseExists') throw error
}
