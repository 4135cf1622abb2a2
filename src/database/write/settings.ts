import type { Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import { reading } from '../errors/layer-errors.ts'
import {
  DEFAULT_SETTINGS,
  readRecord,
  readSecurity,
  type SettingsRecord,
  writeRecord,
  writeSecurity,
} from '../layout/meta-records.ts'
import type { OpenStore } from '../read/open-store.ts'
import { trimPurges } from './purge.ts'

/** What a database keeps of its settings: cached, and never ahead of what is durable. */
export class DatabaseSettings {
  readonly #store: OpenStore
  #record: SettingsRecord
  /** The bytes as they were last read; undefined: to be looked up. */
  #security: { stored: Buffer | undefined } | undefined

  constructor(store: OpenStore) {
    this.#store = store
    this.#record = { ...DEFAULT_SETTINGS, ...readRecord(store.get(), 'settings') }
  }

  get revsLimit(): number {
    return this.#record.revsLimit
  }

  get purgedInfosLimit(): number {
    return this.#record.purgedInfosLimit
  }

  /** The same bytes each time, not to be changed, until it is set. */
  security(): Buffer | undefined {
    const store = this.#store.get()
    this.#security ??= { stored: reading(() => readSecurity(store)) }
    return this.#security.stored
  }

  async setSecurity(body: Uint8Array): Promise<void> {
    await this.#store.transact((tx) => writeSecurity(tx, body), body.length)
    this.#security = undefined
  }

  /** Throws badRequest unless the limit is a positive integer. */
  async setRevsLimit(revsLimit: number): Promise<void> {
    if (!isLimit(revsLimit)) throw new DatabaseError('badRequest', '`rev_limit` must be a positive integer')
    await this.#set({ revsLimit })
  }

  /** Throws badRequest unless the limit is a positive integer. */
  async setPurgedInfosLimit(purgedInfosLimit: number): Promise<void> {
    if (!isLimit(purgedInfosLimit)) {
      throw new DatabaseError('badRequest', '`purged_infos_limit` must be positive integer')
    }
    await this.#set({ purgedInfosLimit }, (tx) => trimPurges(tx, purgedInfosLimit))
  }

  async #set(changes: Partial<SettingsRecord>, also: (tx: Transaction) => void = () => {}): Promise<void> {
    this.#record = await this.#store.transact((tx) => {
      const changed = { ...DEFAULT_SETTINGS, ...readRecord(tx, 'settings'), ...changes }
      writeRecord(tx, 'settings', changed)
      also(tx)
      return changed
    })
  }
}

function isLimit(limit: number): boolean {
  return Number.isSafeInteger(limit) && limit >= 1
}
