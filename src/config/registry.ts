/**
 * The settings of a running server: read, changed, watched. What holds:
 * - A value is one that its entry of the table allows; a text that means none is refused and changes nothing.
 * - A change is told before `set` returns. A setting whose effect is `restart` can be set too, but whoever read it at
 *   the start goes on with what it read.
 */
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Setting } from './setting.ts'
import { parseSetting, SETTINGS, type SettingName, type Settings } from './settings.ts'

export class SettingsRegistry {
  readonly #values: Settings
  readonly #log: Pick<Log, 'error'>
  readonly #anyListeners: Listeners<SettingName>
  /** Of the settings that somebody has subscribed to. */
  readonly #listeners = new Map<SettingName, Listeners<unknown>>()

  constructor(values: Settings, log: Pick<Log, 'error'>) {
    const names = Object.keys(SETTINGS) as SettingName[]
    this.#values = Object.fromEntries(names.map((name) => [name, values[name]])) as Settings
    this.#log = log
    this.#anyListeners = new Listeners((error) =>
      log.error('a changed setting was not taken', { reason: describeError(error) }),
    )
  }

  /** The value that was set last. */
  get<K extends SettingName>(name: K): Settings[K] {
    return this.#values[name]
  }

  /** Changes a setting to what `input` means, written as in a file. Throws ConfigError. */
  set(name: SettingName, input: string): void {
    this.put(name, parseSetting(name, input))
  }

  /** Changes a setting to a value of its own: one that a registry with the same table has. */
  put<K extends SettingName>(name: K, value: Settings[K]): void {
    Object.assign(this.#values, { [name]: value })
    this.#listeners.get(name)?.tell(value)
    this.#anyListeners.tell(name)
  }

  /** All values, to be handed to another thread. */
  values(): Settings {
    return { ...this.#values }
  }

  /** Calls `listener` with the name of each setting that is set from now on. Returns what ends that. */
  onAny(listener: (name: SettingName) => void): () => void {
    return this.#anyListeners.subscribe(listener)
  }

  /** Calls `listener` with each value that is set from now on; a listener that throws is logged. Returns what ends that. */
  subscribe<K extends SettingName>(name: K, listener: (value: Settings[K]) => void): () => void {
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) {
      const report = (error: unknown): void =>
        this.#log.error('a changed setting was not taken', { setting: name, reason: describeError(error) })
      listeners = new Listeners(report)
      this.#listeners.set(name, listeners)
    }
    return listeners.subscribe(listener as (value: unknown) => void)
  }

  /**
   * An object with the values of some settings, each under the member that `members` gives it. Those that are live
   * follow their changes as long as the registry lives; the others stay. Reading it is reading a property.
   */
  view<const M extends Record<string, SettingName>>(members: M): { readonly [K in keyof M]: Settings[M[K]] } {
    const view: Record<string, unknown> = {}
    for (const [member, name] of Object.entries(members)) {
      view[member] = this.#values[name]
      const { effect }: Setting<unknown> = SETTINGS[name]
      if (effect !== 'live') continue
      this.subscribe(name, (value) => {
        view[member] = value
      })
    }
    return view as { [K in keyof M]: Settings[M[K]] }
  }
}
