/**
 * The configuration of a running server, as requests read and change it. What holds:
 * - Changes are made one after the other. Each is on disk before it takes effect, and every thread has heard of it when it
 *   is answered. One that fails changes nothing.
 * - A text that a setting does not allow is refused, and so is what would keep the next server from starting. Keys that no setting has are kept and given back, as CouchDB does.
 * - What the environment and the flags say cannot be changed: it would come back with the next start.
 * - A secret is told to nobody. Passwords of administrators are hashed before they are written, and one of them is left.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Administrators } from '../auth/administrators.ts'
import { formatCouchHash, parseCouchHash } from '../auth/password-hash.ts'
import type { Audience } from '../base/audience.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import { ConfigError, readIniLine } from '../config/ini.ts'
import { iniLine } from '../config/ini-edit.ts'
import {
  type ConfigLayers,
  checkText,
  effective,
  effectives,
  isNoChoice,
  settingOf,
  valueIn,
} from '../config/layers.ts'
import { adminsIn, checkAdmin } from '../config/load.ts'
import type { LocalFile } from '../config/local-file.ts'
import { nearestSetting } from '../config/nearest.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { type Setting, textOf } from '../config/setting.ts'
import { ADMINS_SECTION, SETTINGS, type SettingName } from '../config/settings.ts'
import { isUtf8 } from '../documents/characters.ts'
import { candidateOf, problemOfChange, problemOfReload } from './start-obstacles.ts'

/** Stands for a secret that is set. */
const MASK = '****'

/** What requests may not change, as in CouchDB: there such a section names programs to run. */
const CLOSED_SECTIONS = new Set([
  'daemons',
  'external',
  'httpd_db_handlers',
  'httpd_design_handlers',
  'httpd_global_handlers',
  'native_query_servers',
  'os_daemons',
  'query_servers',
])

const LAST_ADMINISTRATOR = 'The last administrator cannot be removed.'

export type SectionTexts = Record<string, string>

export interface ChangeOptions {
  /** Without it the change ends with the process, or with a reload. */
  persist: boolean
  /** A text that is a password's hash is one, not a password to be hashed. */
  raw?: boolean
}

export interface ConfigurationOptions {
  layers: ConfigLayers
  file: Pick<LocalFile, 'path' | 'put' | 'remove'>
  /** The layers of the files as they are now; throws ConfigError. */
  reread: () => Promise<Pick<ConfigLayers, 'file' | 'local'>>
  /** The files were read anew: those that settings name may be others, too. */
  onReload?: (() => void) | undefined
  settings: SettingsRegistry
  administrators: Pick<Administrators, 'list' | 'find' | 'hash' | 'prepare'>
  audience: Pick<Audience, 'heard'>
  log: Pick<Log, 'notice' | 'warning'>
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
    const sections = new Map<string, [string, string][]>()
    for (const { section, key, text } of this.#listed()) {
      const pairs = sections.get(section) ?? []
      pairs.push([key, text])
      sections.set(section, pairs)
    }
    return Object.fromEntries([...sections].map(([name, pairs]) => [name, Object.fromEntries(pairs)]))
  }

  section(section: string): SectionTexts {
    return Object.fromEntries(this.#listed(section).map(({ key, text }) => [key, text]))
  }

  /** Undefined where nobody has given it a value. */
  value(section: string, key: string): string | undefined {
    return this.#listed(section).find((each) => each.key === key)?.text
  }

  /** The text that was there before, or an empty one. Rejects with badRequest, forbidden, conflict. */
  set(section: string, key: string, text: string, options: ChangeOptions): Promise<string> {
    return this.#inTurn(async () => {
      requireOpenSection(section)
      const name = settingOf(section, key)
      this.#checkSet(section, key, text, name)
      const before = this.value(section, key) ?? ''
      const kept = section === ADMINS_SECTION ? await this.#hashed(key, text, options) : text
      const isWhole = section !== ADMINS_SECTION || isReadAs(key, kept)
      if (!isWhole) refuse('value')
      await this.#change(section, key, { text: kept }, options)
      return before
    })
  }

  /** The text that was there, or undefined where there was none. Rejects with forbidden, conflict. */
  delete(section: string, key: string, options: ChangeOptions): Promise<string | undefined> {
    return this.#inTurn(async () => {
      requireOpenSection(section)
      const before = this.value(section, key)
      if (before === undefined) return undefined
      this.#checkChange(section, key, settingOf(section, key))
      const isGenerated = section === ADMINS_SECTION && effective(this.#layers, section, key) === undefined
      if (isGenerated) throw new DatabaseError('conflict', LAST_ADMINISTRATOR)
      // What the other file says would be back.
      const change = this.#isBelow(section, key) ? { text: undefined } : undefined
      await this.#change(section, key, change, options)
      return before
    })
  }

  /** Reads the files anew. Rejects with badRequest for what they may not say, and for what no server could be started with. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const layers = { ...this.#layers, ...(await this.#options.reread().catch(asBadRequest)) }
      const problem = await problemOfReload(candidateOf(this.#layers), candidateOf(layers))
      if (problem !== undefined) throw new DatabaseError('badRequest', problem)
      const admit = await this.#admitting(layers)
      this.#layers = layers
      for (const name of Object.keys(SETTINGS) as SettingName[]) this.#obey(name)
      await admit()
      await this.tidy()
      this.#options.onReload?.()
      await this.#options.audience.heard()
    })
  }

  /** For what somebody has written into the server's own file: says what nobody obeys, and hashes passwords. */
  async tidy(): Promise<void> {
    for (const { section, key, where } of this.#layers.local.written()) {
      if (section === ADMINS_SECTION || settingOf(section, key) !== undefined) continue
      this.#options.log.warning('nobody obeys this', {
        where,
        section,
        key,
        meant: nearestSetting(section, key),
      })
    }
    await this.#hashPasswords()
  }

  async #hashPasswords(): Promise<void> {
    const { administrators, file, log } = this.#options
    for (const { key, text } of [...this.#layers.local.written(ADMINS_SECTION)]) {
      const credential = administrators.find(key)
      if (text === undefined || credential === undefined || isHash(text)) continue
      if (effective(this.#layers, ADMINS_SECTION, key)?.text !== text) continue
      try {
        await file.put(ADMINS_SECTION, key, formatCouchHash(credential.hash))
      } catch (error) {
        log.warning('a password stays as it is written', { file: file.path, reason: describeError(error) })
      }
    }
  }

  /** On disk first, then obeyed, then heard of. Undefined: the server's own file no longer has the key. */
  async #change(
    section: string,
    key: string,
    change: { text: string | undefined } | undefined,
    { persist }: ChangeOptions,
  ): Promise<void> {
    const { file, audience, log } = this.#options
    const layers = { ...this.#layers, local: this.#layers.local.copy() }
    if (change === undefined) layers.local.remove(section, key)
    else layers.local.put({ section, key, text: change.text, where: file.path })
    const name = settingOf(section, key)
    if (name !== undefined) await this.#requireStart(name, layers)
    const admit = section === ADMINS_SECTION ? await this.#admitting(layers) : undefined
    if (persist) {
      // In a file an empty text is none.
      const text = change?.text === '' ? undefined : change?.text
      if (text === undefined && !this.#isBelow(section, key)) await file.remove(section, key)
      else await file.put(section, key, text)
    }
    this.#layers = layers
    const isObeyed =
      section === ADMINS_SECTION || (name !== undefined && !isNoChoice(name, change?.text ?? ''))
    log.notice('the configuration was changed', { section, key, isObeyed })
    if (name !== undefined) this.#obey(name)
    await admit?.()
    if (name !== undefined || admit !== undefined) await audience.heard()
  }

  /** Rejects with badRequest where the server could be started with what was configured, and not with `layers`. */
  async #requireStart(name: SettingName, layers: ConfigLayers): Promise<void> {
    const problem = await problemOfChange(name, candidateOf(this.#layers), candidateOf(layers))
    if (problem !== undefined) throw new DatabaseError('badRequest', problem)
  }

  /** Whether the file below the server's own has a value for the key. */
  #isBelow(section: string, key: string): boolean {
    return this.#layers.file.get(section, key)?.text !== undefined
  }

  /** What makes those administrators whom the layers name. Rejects with badRequest, and conflict where nobody is left. */
  async #admitting(layers: ConfigLayers): Promise<() => Promise<void>> {
    const configured = adminsIn(layers)
    if (configured.size > 0) return this.#options.administrators.prepare(configured).catch(asBadRequest)
    // The one that was made at the start stays.
    if (adminsIn(this.#layers).size === 0) return async () => {}
    throw new DatabaseError('conflict', LAST_ADMINISTRATOR)
  }

  #hashed(name: string, text: string, { raw }: ChangeOptions): Promise<string> | string {
    if (text === MASK) refuse('value')
    try {
      checkAdmin(name, text)
      if (raw === true && isHash(text)) return text
    } catch (error) {
      throw new DatabaseError('badRequest', (error as Error).message)
    }
    return this.#options.administrators.hash(text)
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** In the order of sections and keys. */
  #listed(section?: string): { section: string; key: string; text: string }[] {
    const found = effectives(this.#layers, section)
      .filter((each) => each.section !== ADMINS_SECTION)
      .map(({ section, key, text }) => ({ section, key, text: shown(section, key, text) }))
    if (section === undefined || section === ADMINS_SECTION) found.push(...this.#admins())
    for (const setting of Object.values(SETTINGS) as Setting<unknown>[]) {
      const { key } = setting
      if (!setting.listed || (section !== undefined && setting.section !== section)) continue
      if (effective(this.#layers, setting.section, key) !== undefined) continue
      found.push({ section: setting.section, key, text: textOf(setting.default) ?? '' })
    }
    return found.sort((a, b) => compare(a.section, b.section) || compare(a.key, b.key))
  }

  /** With their hashes, as they are written where they are. */
  #admins(): { section: string; key: string; text: string }[] {
    return this.#options.administrators.list().map(({ name, hash }) => {
      const text = effective(this.#layers, ADMINS_SECTION, name)?.text
      const isWritten = text !== undefined && isHash(text)
      return { section: ADMINS_SECTION, key: name, text: isWritten ? text : formatCouchHash(hash) }
    })
  }

  /** Throws badRequest, conflict. */
  #checkSet(section: string, key: string, text: string, name: SettingName | undefined): void {
    if (!isPrintable(section) || /[[\]]/.test(section) || section.trim() === '') refuse('section')
    if (!isPrintable(key) || /[[\]]/.test(key)) refuse('key')
    if (!isPrintable(text)) refuse('value')
    const line = readIniLine(iniLine(key, text))
    if (line.kind !== 'entry') refuse('key')
    this.#checkChange(section, key, name)
    if (name === undefined && section !== ADMINS_SECTION) return
    // What is obeyed now must be what is read at the next start.
    if (line.key !== key) refuse('key')
    if (name === undefined) return
    if (text !== '' && !isReadAs(key, text)) refuse('value')
    if (SETTINGS[name].secret && text === MASK) refuse('value')
    if (isNoChoice(name, text)) return
    try {
      checkText(name, section, key, text)
    } catch (error) {
      throw new DatabaseError('badRequest', (error as Error).message)
    }
  }

  #checkChange(section: string, key: string, name: SettingName | undefined): void {
    const fixed = this.#layers.fixed.get(section, key)
    if (fixed !== undefined) {
      throw new DatabaseError('conflict', `[${section}] ${key} is given by ${fixed.where}, and changed there`)
    }
    if (name !== undefined && SETTINGS[name].effect === 'given') {
      throw new DatabaseError('conflict', `[${section}] ${key} can be given at the start only`)
    }
  }

  /** Hands the setting's value to who obeys it, where a running server does. */
  #obey(name: SettingName): void {
    const { settings } = this.#options
    const { effect }: Setting<unknown> = SETTINGS[name]
    if (effect !== 'live') return
    const value = valueIn(this.#layers, name)
    if (!isDeepStrictEqual(value, settings.get(name))) settings.put(name, value)
  }
}

/** Throws forbidden. */
function requireOpenSection(section: string): void {
  if (CLOSED_SECTIONS.has(section)) {
    throw new DatabaseError('forbidden', 'Config section blacklisted for modification over HTTP API.')
  }
}

function shown(section: string, key: string, text: string): string {
  const name = settingOf(section, key)
  return name !== undefined && SETTINGS[name].secret && text !== '' ? MASK : text
}

/** Throws an Error for what looks like a hash and is none. */
function isHash(text: string): boolean {
  return parseCouchHash(text) !== undefined
}

/** Throws badRequest, in CouchDB's words. */
function refuse(what: 'section' | 'key' | 'value'): never {
  throw new DatabaseError('badRequest', `Invalid configuration ${what}`)
}

/** Whether a line of a file says the same. */
function isReadAs(key: string, text: string): boolean {
  const line = readIniLine(iniLine(key, text))
  return line.kind === 'entry' && line.key === key && line.value === text
}

function isPrintable(text: string): boolean {
  if (!isUtf8(text)) return false
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
