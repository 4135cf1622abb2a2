import { reading } from '../errors/layer-errors.ts'
import { DEFAULT_SETTINGS, readRecord, readSecurity, type SettingsRecord } from '../layout/meta-records.ts'
import type { OpenStore } from './open-store.ts'
import { Versioned } from './versioned.ts'
import type { DatabaseWords } from './words.ts'

/** What a database keeps of its settings: cached, never ahead of what is durable and never behind what was acknowledged. */
export class SettingsView {
  readonly #store: OpenStore
  readonly #record: Versioned<SettingsRecord>
  readonly #security: Versioned<Buffer | undefined>

  constructor(store: OpenStore, words: DatabaseWords) {
    const version = (): number => words.settingsVersion
    this.#store = store
    this.#record = new Versioned(store, version, () =>
      reading(() => ({ ...DEFAULT_SETTINGS, ...readRecord(store.underWay(), 'settings') })),
    )
    this.#security = new Versioned(store, version, (before) =>
      reading(() => {
        const stored = readSecurity(store.underWay())
        return stored !== undefined && before?.equals(stored) ? before : stored
      }),
    )
  }

  /** Transactions ask for it in their turn, which may come while the store is closing. */
  get revsLimit(): number {
    return this.#record.get().revsLimit
  }

  get purgedInfosLimit(): number {
    return this.#record.get().purgedInfosLimit
  }

  /** Whether `security` needs no look at the store. */
  get keepsSecurity(): boolean {
    return this.#security.isKept
  }

  /** The same bytes each time, not to be changed, until it is set. Throws databaseClosed. */
  security(): Buffer | undefined {
    this.#store.get()
    return this.#security.get()
  }
}
