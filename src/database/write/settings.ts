import type { Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import {
  DEFAULT_SETTINGS,
  readRecord,
  type SettingsRecord,
  writeRecord,
  writeSecurity,
} from '../layout/meta-records.ts'
import type { WritableStore } from '../read/open-store.ts'
import type { DatabaseWords } from '../read/words.ts'
import type { CheckedState } from './checked-state.ts'
import { trimPurges } from './purge.ts'

/** The changes of a database's settings. Their version rises before a change is acknowledged. */
export class SettingsWrites {
  readonly #store: WritableStore
  readonly #words: DatabaseWords
  readonly #checked: CheckedState

  constructor(store: WritableStore, words: DatabaseWords, checked: CheckedState) {
    this.#store = store
    this.#words = words
    this.#checked = checked
  }

  setSecurity(body: Uint8Array): Promise<void> {
    return this.#change((tx) => writeSecurity(tx, body), body.length)
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
    await this.#change((tx) => {
      writeRecord(tx, 'settings', { ...DEFAULT_SETTINGS, ...readRecord(tx, 'settings'), ...changes })
      also(tx)
    })
  }

  async #change(write: (tx: Transaction) => void, sizeHint?: number): Promise<void> {
    let settle = (): void => {}
    try {
      await this.#store.transact((tx) => {
        write(tx)
        settle = this.#checked.begin()
      }, sizeHint)
      this.#words.raiseSettings()
    } finally {
      settle()
    }
  }
}

function isLimit(limit: number): boolean {
  return Number.isSafeInteger(limit) && limit >= 1
}
