/**
 * The configuration of a running server, as requests read and change it. What holds:
 * - Changes are made one after the other. Each is on disk before it takes effect, and every thread has heard of it when it
 *   is answered. One that fails changes nothing.
 * - A text that a setting does not allow is refused. Keys that no setting has are kept and given back, as CouchDB does.
 * - What the environment and the flags say cannot be changed: it would come back with the next start.
 * - A secret is told to nobody.
 */
import type { Audience } from '../base/audience.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { ConfigError, readIniLine } from '../config/ini.ts'
import { iniLine } from '../config/ini-edit.ts'
import {
  type ConfigLayers,
  checkText,
  effective,
  effectives,
  settingOf,
  valueIn,
  type Written,
} from '../config/layers.ts'
import { ADMINS_SECTION } from '../config/load.ts'
import type { LocalFile } from '../config/local-file.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Setting } from '../config/setting.ts'
import { SETTINGS, type SettingName } from '../config/settings.ts'

/** Stands for a secret that is set. */
const MASK = '****'

export type SectionTexts = Record<string, string>

export interface ChangeOptions {
  /** Without it the change ends with the process, or with a reload. */
  persist: boolean
}

export interface ConfigurationOptions {
  layers: ConfigLayers
  file: Pick<LocalFile, 'path' | 'put' | 'remove'>
  /** The layers of the files as they are now; throws ConfigError. */
  reread: () => Promise<Pick<ConfigLayers, 'file' | 'local'>>
  settings: SettingsRegistry
  audience: Pick<Audience, 'heard'>
  log: Pick<Log, 'notice'>
}

export class Configuration {
  #layers: ConfigLayers
  readonly #options: Omit<ConfigurationOptions, 'layers'>
  /** The last change, which the next one waits for. */
  #last: Promise<unknown> = Promise.resolve()

  constructor({ layers, ...options }: ConfigurationOptions) {
    this.#layers = layers
    this.#options = options
  }

  /** Every section that has a key. */
  all(): Record<string, SectionTexts> {
    const sections: Record<string, SectionTexts> = {}
    for (const { section, key, text } of this.#listed()) {
      sections[section] ??= {}
      sections[section][key] = text
    }
    return sections
  }

  section(section: string): SectionTexts {
    return Object.fromEntries(this.#listed(section).map(({ key, text }) => [key, text]))
  }

  /** Undefined where nobody has given it a value. */
  value(section: string, key: string): string | undefined {
    return this.#listed(section).find((each) => each.key === key)?.text
  }

  /** The text that was there before, or an empty one. Rejects with badRequest, conflict. */
  set(section: string, key: string, text: string, { persist }: ChangeOptions): Promise<string> {
    return this.#inTurn(async () => {
      const name = settingOf(section, key)
      this.#checkSet(section, key, text, name)
      const before = this.value(section, key) ?? ''
      if (persist) await this.#options.file.put(section, key, text)
      this.#layers.local.put({ section, key, text, where: this.#options.file.path })
      await this.#take(section, key, name)
      return before
    })
  }

  /** The text that was there, or undefined where there was none. Rejects with conflict. */
  delete(section: string, key: string, { persist }: ChangeOptions): Promise<string | undefined> {
    return this.#inTurn(async () => {
      const before = this.value(section, key)
      if (before === undefined) return undefined
      this.#checkChange(section, key, settingOf(section, key))
      const { file: options, local } = this.#layers
      const { file } = this.#options
      // What another file says would be back.
      if (options.get(section, key)?.text === undefined) {
        if (persist) await file.remove(section, key)
        local.remove(section, key)
      } else {
        if (persist) await file.put(section, key, undefined)
        local.put({ section, key, text: undefined, where: file.path })
      }
      await this.#take(section, key, settingOf(section, key))
      return before
    })
  }

  /** Reads the files anew. Rejects with badRequest for what they may not say. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const layers = { ...this.#layers, ...(await this.#options.reread().catch(asBadRequest)) }
      this.#layers = layers
      for (const name of Object.keys(SETTINGS) as SettingName[]) this.#obey(name)
      await this.#options.audience.heard()
    })
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** In the order of sections and keys. */
  #listed(section?: string): (Written & { text: string })[] {
    const found = effectives(this.#layers, section).map((each) => ({
      ...each,
      text: isSecret(each.section, each.key) && each.text !== '' ? MASK : each.text,
    }))
    for (const setting of Object.values(SETTINGS) as Setting<unknown>[]) {
      const { key } = setting
      if (!setting.listed || (section !== undefined && setting.section !== section)) continue
      if (effective(this.#layers, setting.section, key) !== undefined) continue
      found.push({ section: setting.section, key, text: String(setting.default), where: 'default' })
    }
    return found.sort((a, b) => compare(a.section, b.section) || compare(a.key, b.key))
  }

  /** Throws badRequest, conflict, notImplemented. */
  #checkSet(section: string, key: string, text: string, name: SettingName | undefined): void {
    if (!isPrintable(section) || /[[\]]/.test(section) || section.trim() === '') refuse('section')
    if (!isPrintable(key) || /[[\]]/.test(key)) refuse('key')
    if (!isPrintable(text)) refuse('value')
    const line = readIniLine(iniLine(key, text))
    if (line.kind !== 'entry') refuse('key')
    this.#checkChange(section, key, name)
    if (name === undefined) return
    // What is obeyed now must be what is read at the next start.
    if (line.key !== key) refuse('key')
    if ((line.value ?? '') !== text) refuse('value')
    if (SETTINGS[name].secret && text === MASK) refuse('value')
    try {
      checkText(name, key, text)
    } catch (error) {
      throw new DatabaseError('badRequest', (error as Error).message)
    }
  }

  #checkChange(section: string, key: string, name: SettingName | undefined): void {
    if (section === ADMINS_SECTION) throw new DatabaseError('notImplemented', 'this is not implemented')
    const fixed = this.#layers.fixed.get(section, key)
    if (fixed !== undefined) {
      throw new DatabaseError('conflict', `[${section}] ${key} is given by ${fixed.where}, and changed there`)
    }
    if (name !== undefined && SETTINGS[name].effect === 'given') {
      throw new DatabaseError('conflict', `[${section}] ${key} can be given at the start only`)
    }
  }

  /** The change takes effect in every thread. */
  async #take(section: string, key: string, name: SettingName | undefined): Promise<void> {
    this.#options.log.notice('a setting was changed', { section, key })
    if (name === undefined) return
    this.#obey(name)
    await this.#options.audience.heard()
  }

  /** Hands the setting's value to who obeys it, where a running server does. */
  #obey(name: SettingName): void {
    const { settings } = this.#options
    const { effect }: Setting<unknown> = SETTINGS[name]
    if (effect === 'live') settings.put(name, valueIn(this.#layers, name))
  }
}

function isSecret(section: string, key: string): boolean {
  const name = settingOf(section, key)
  return name !== undefined && SETTINGS[name].secret
}

/** Throws badRequest, in CouchDB's words. */
function refuse(what: 'section' | 'key' | 'value'): never {
  throw new DatabaseError('badRequest', `Invalid configuration ${what}`)
}

function isPrintable(text: string): boolean {
  for (const character of text) {
    if ((character < ' ' && character !== '\t') || (character >= '\x7f' && character < '\xa0')) return false
    if (character === '\u2028' || character === '\u2029') return false
  }
  return true
}

function asBadRequest(error: unknown): never {
  if (error instanceof ConfigError) throw new DatabaseError('badRequest', error.message)
  throw error
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
