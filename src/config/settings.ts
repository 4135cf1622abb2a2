/**
 * The table of every setting that the server honours: CouchDB's sections and keys where CouchDB has them,
 * `[davenport]` otherwise. A key belongs here only while some code obeys it, and is `live` only while everything that
 * obeys it reads it from the registry (registry.ts). It is one table; its entries are written down by section.
 */
import { ConfigError } from './ini.ts'
import { AUTHENTICATION } from './sections/authentication.ts'
import { BACKGROUND } from './sections/background.ts'
import { BROWSERS } from './sections/browsers.ts'
import { CHTTPD } from './sections/chttpd.ts'
import { COUCHDB } from './sections/couchdb.ts'
import { DAVENPORT } from './sections/davenport.ts'
import { DISK_MONITOR } from './sections/disk-monitor.ts'
import { INDEXES } from './sections/indexes.ts'
import { LOG } from './sections/log.ts'
import { MANGO } from './sections/mango.ts'
import { QUERY_SERVERS } from './sections/query-servers.ts'
import { REPLICATOR } from './sections/replicator.ts'
import { SSL } from './sections/ssl.ts'
import type { Setting } from './setting.ts'

export const SETTINGS = {
  ...COUCHDB,
  ...CHTTPD,
  ...SSL,
  ...BROWSERS,
  ...AUTHENTICATION,
  ...QUERY_SERVERS,
  ...MANGO,
  ...LOG,
  ...BACKGROUND,
  ...INDEXES,
  ...DISK_MONITOR,
  ...REPLICATOR,
  ...DAVENPORT,
}

/** Whose keys are names of administrators. What they may be is told by load.ts: they are no settings. */
export const ADMINS_SECTION = 'admins'

export type SettingName = keyof typeof SETTINGS

/** The value of every setting. */
export type Settings = { [K in SettingName]: (typeof SETTINGS)[K]['default'] }

/** The value that `input` means for a setting. Throws ConfigError, which does not repeat what is secret. */
export function parseSetting<K extends SettingName>(name: K, input: string): Settings[K] {
  const setting: Setting<unknown> = SETTINGS[name]
  try {
    return setting.parse(input) as Settings[K]
  } catch (error) {
    const given = setting.secret ? '' : `, not ${JSON.stringify(input)}`
    throw new ConfigError(`[${setting.section}] ${setting.key} must be ${(error as Error).message}${given}`)
  }
}
