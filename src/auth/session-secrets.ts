/**
 * The secrets that sessions are signed with. New ones are signed with the present secret. One that was changed while the
 * server runs is still taken, as in CouchDB, but no longer than the sessions made with it could last unused.
 */
import type { SettingsRegistry } from '../config/registry.ts'

/** Secrets that were changed are forgotten beyond so many. */
const MOST_FORMER = 8

interface FormerSecret {
  readonly secret: string
  readonly untilMs: number
}

export class SessionSecrets {
  readonly #settings: SettingsRegistry
  readonly #now: () => number
  /** Where none is configured. */
  readonly #generated: string
  #current: string
  #former: readonly FormerSecret[]

  /** `former` are those of another thread. */
  constructor(settings: SettingsRegistry, now: () => number, { generated, former = [] }: SharedSecrets) {
    this.#settings = settings
    this.#now = now
    this.#generated = generated
    this.#current = settings.get('secret') ?? generated
    this.#former = former
    settings.subscribe('secret', (secret) => this.#change(secret ?? generated))
  }

  #change(secret: string): void {
    if (secret === this.#current) return
    const untilMs = this.#now() + this.#settings.get('sessionTimeoutSeconds') * 1000
    this.#former = [{ secret: this.#current, untilMs }, ...this.#former].slice(0, MOST_FORMER)
    this.#current = secret
  }

  get current(): string {
    return this.#current
  }

  /** Those that sessions may be signed with, the present one first. */
  all(): readonly string[] {
    const nowMs = this.#now()
    this.#former = this.#former.filter(({ untilMs }) => untilMs > nowMs)
    return [this.#current, ...this.#former.map(({ secret }) => secret)]
  }

  /** What another thread needs to have the same. */
  share(): SharedSecrets {
    return { generated: this.#generated, former: this.#former }
  }
}

/** Can be cloned. */
export interface SharedSecrets {
  /** The one that the server made at its first start. */
  readonly generated: string
  readonly former?: readonly FormerSecret[]
}
