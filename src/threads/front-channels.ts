/**
 * What users see of databases with channels, in a front: the core says who may read what, and brings the index up to date; the
 * index itself is followed here, as databases are.
 */
import type { UserCtx } from '../auth/user.ts'
import type { HeldSight } from '../channels/channel-sight.ts'
import { SyncFunctions } from '../channels/sync-function.ts'
import type { Database } from '../database/api/database.ts'
import type { Scripting } from '../scripting/scripting.ts'
import { FrontDatabases, type FrontDatabasesOptions } from './front-databases.ts'

/** Indexes that a front keeps open, so that all fronts together leave the core some. */
const MOST_OPEN = 16

export interface FrontChannelsOptions extends Omit<FrontDatabasesOptions, 'kind' | 'maxOpen'> {
  scripting: Scripting
}

export class FrontChannels {
  readonly #core: FrontDatabasesOptions['core']
  readonly #indexes: FrontDatabases
  readonly #functions: SyncFunctions

  constructor({ scripting, ...options }: FrontChannelsOptions) {
    this.#core = options.core
    this.#indexes = new FrontDatabases({ ...options, kind: 'channels', maxOpen: MOST_OPEN })
    this.#functions = new SyncFunctions(scripting)
  }

  /** As `ChannelsBackend` has it. */
  async sight({ name }: Database, user: UserCtx, signal: AbortSignal): Promise<HeldSight> {
    const look = await this.#core.ask('lookIntoChannels', { name, user }, { signal })
    const index = await this.#indexes.lease(name)
    const sync = this.#functions.get(name, look.sync)
    return { ...look, sync, index: index.database, release: () => index.release() }
  }

  /** As `FrontDatabases` has it. */
  retire(handle: number, kind: 'noDatabase' | 'shuttingDown'): void {
    this.#indexes.retire(handle, kind)
  }

  makeRoom(): void {
    this.#indexes.makeRoom()
  }

  stop(graceMs: number): Promise<void> {
    return this.#indexes.stop(graceMs)
  }
}
