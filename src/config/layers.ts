/**
 * What is written where, as text, and what all of it together means. The layers, each over those before it: the file of
 * `--config`, the file that the server itself writes, and what the process was started with (environment and flags). A
 * layer may say that a key has no value, which hides those below.
 */
import { ConfigError } from './ini.ts'
import type { Setting } from './setting.ts'
import { parseSetting, SETTINGS, type SettingName, type Settings } from './settings.ts'

/** One key as a source has it. */
export interface Written {
  readonly section: string
  readonly key: string
  /** Undefined: it has no value. */
  readonly text: string | undefined
  /** The file and line, the variable or the flag, for messages. */
  readonly where: string
}

export class ConfigLayer {
  readonly #sections = new Map<string, Map<string, Written>>()

  get(section: string, key: string): Written | undefined {
    return this.#sections.get(section)?.get(key)
  }

  put(written: Written): void {
    const { section, key } = written
    const keys = this.#sections.get(section) ?? new Map<string, Written>()
    this.#sections.set(section, keys.set(key, written))
  }

  remove(section: string, key: string): void {
    const keys = this.#sections.get(section)
    keys?.delete(key)
    if (keys?.size === 0) this.#sections.delete(section)
  }

  copy(): ConfigLayer {
    const copy = new ConfigLayer()
    for (const written of this.written()) copy.put(written)
    return copy
  }

  /** Of one section, of all whose names begin as `prefix:*` says, or of all. */
  *written(section?: string): Iterable<Written> {
    for (const [name, keys] of this.#sections) {
      if (section === undefined || isOf(name, section)) yield* keys.values()
    }
  }
}

export interface ConfigLayers {
  readonly file: ConfigLayer
  readonly local: ConfigLayer
  /** Environment and flags. */
  readonly fixed: ConfigLayer
}

/** What holds for a key; undefined where no layer has a value for it. */
export function effective(layers: ConfigLayers, section: string, key: string): Written | undefined {
  const { file, local, fixed } = layers
  const written = fixed.get(section, key) ?? local.get(section, key) ?? file.get(section, key)
  return written?.text === undefined ? undefined : written
}

/** Everything that holds, in one section or in all. */
export function effectives(layers: ConfigLayers, section?: string): (Written & { text: string })[] {
  const found = new Map<string, Written & { text: string }>()
  for (const layer of [layers.file, layers.local, layers.fixed]) {
    for (const written of layer.written(section)) {
      const name = `${written.section}\n${written.key}`
      const { text } = written
      if (text === undefined) found.delete(name)
      else found.set(name, { ...written, text })
    }
  }
  return [...found.values()]
}

const NAMES: ReadonlyMap<string, SettingName> = new Map(
  Object.entries(SETTINGS).map(([name, { section, key }]) => [`${section}\n${key}`, name as SettingName]),
)

/**
 * Sections in which CouchDB had keys before it had the section that they are in now. Where that gives a key no value
 * their older one does, as there.
 */
const OLDER_SECTIONS: ReadonlyMap<string, string> = new Map([
  ['chttpd', 'httpd'],
  ['chttpd_auth', 'couch_httpd_auth'],
])

/** Those of `[chttpd]` for which that holds; in `[httpd]` the others were of another server. */
const OLD_HTTPD_KEYS = new Set(
  (
    'allow_jsonp enable_cors enable_xframe_options max_http_request_size max_uri_length rewrite_limit secure_rewrites ' +
    'x_forwarded_host x_forwarded_proto x_forwarded_ssl'
  ).split(' '),
)

/** The older section of a setting. */
function olderSection({ section, key }: Pick<Written, 'section' | 'key'>): string | undefined {
  return section === 'chttpd' && !OLD_HTTPD_KEYS.has(key) ? undefined : OLDER_SECTIONS.get(section)
}

const OLDER_NAMES: ReadonlyMap<string, SettingName> = new Map(
  Object.entries(SETTINGS).flatMap(([name, setting]): [string, SettingName][] => {
    const older = olderSection(setting)
    return older === undefined ? [] : [[`${older}\n${setting.key}`, name as SettingName]]
  }),
)

/** The setting that a key belongs to. */
export function settingOf(section: string, key: string): SettingName | undefined {
  const id = `${section}\n${key}`
  const found = NAMES.get(id) ?? OLDER_NAMES.get(id) ?? NAMES.get(`${section}\n*`)
  const colon = section.indexOf(':')
  return found ?? (colon < 0 ? undefined : NAMES.get(`${section.slice(0, colon)}:*\n*`))
}

/** Whether a section is one of those that a setting's `section` stands for. */
function isOf(name: string, section: string): boolean {
  return section.endsWith(':*') ? name.startsWith(section.slice(0, -1)) : name === section
}

/** What a key is called among the entries of a setting: where that is for many sections, with the section's own part. */
function entryName(setting: Setting<unknown>, { section, key }: Pick<Written, 'section' | 'key'>): string {
  return setting.section.endsWith(':*') ? `${section.slice(setting.section.length - 1)}/${key}` : key
}

/** Throws ConfigError where the text is none that the setting of its key allows. */
export function checkText(name: SettingName, section: string, key: string, text: string): void {
  const setting: Setting<unknown> = SETTINGS[name]
  if (setting.parseEntry === undefined) parseText(name, text)
  else parseEntryText(setting, { section, key }, text)
}

/** The value of a setting under these layers. Throws ConfigError. */
export function valueIn<K extends SettingName>(layers: ConfigLayers, name: K): Settings[K] {
  const setting: Setting<unknown> = SETTINGS[name]
  if (setting.parseEntry === undefined) {
    const older = olderSection(setting)
    const written =
      effective(layers, setting.section, setting.key) ??
      (older === undefined ? undefined : effective(layers, older, setting.key))
    if (written === undefined) return setting.default as Settings[K]
    const isLocal = written === layers.local.get(written.section, setting.key)
    if (isLocal && isNoChoice(name, written.text!)) return setting.default as Settings[K]
    return parseText(name, written.text!)
  }
  const pairs = effectives(layers, setting.section).map((written): [string, unknown] => [
    entryName(setting, written),
    parseEntryText(setting, written, written.text),
  ])
  return new Map(pairs) as unknown as Settings[K]
}

/** An empty text has the meaning of no text, unless the setting has one of its own for it. */
function parseText<K extends SettingName>(name: K, text: string): Settings[K] {
  try {
    return parseSetting(name, text)
  } catch (error) {
    if (text !== '') throw error
    return SETTINGS[name].default as Settings[K]
  }
}

/**
 * Whether a text is none that the setting chooses from. Requests may put any, as with CouchDB: it is kept, and until it is
 * another the default holds.
 */
export function isNoChoice(name: SettingName, text: string): boolean {
  if (SETTINGS[name].type !== 'choice') return false
  try {
    parseText(name, text)
    return false
  } catch {
    return true
  }
}

function parseEntryText(
  setting: Setting<unknown>,
  { section, key }: Pick<Written, 'section' | 'key'>,
  text: string,
): unknown {
  try {
    return setting.parseEntry!(text, entryName(setting, { section, key }))
  } catch (error) {
    const given = setting.secret ? '' : `, not ${JSON.stringify(text)}`
    throw new ConfigError(`[${section}] ${key} must be ${(error as Error).message}${given}`)
  }
}
