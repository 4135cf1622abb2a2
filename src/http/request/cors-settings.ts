import type { SettingsRegistry } from '../../config/registry.ts'
import type { SettingName } from '../../config/settings.ts'
import type { Cors, CorsRules } from './cors.ts'

/** What `corsOf` reads. */
export const CORS_SETTINGS = [
  'corsEnabled',
  'corsOrigins',
  'corsCredentials',
  'corsMethods',
  'corsHeaders',
  'corsExposedHeaders',
  'corsMaxAgeSeconds',
  'corsByHost',
  'forwardedHostHeader',
] as const satisfies readonly SettingName[]

/** The member of the rules that a key of `[cors]` says. */
const MEMBERS: Readonly<Record<string, keyof CorsRules>> = {
  origins: 'origins',
  credentials: 'credentials',
  methods: 'methods',
  headers: 'headers',
  exposed_headers: 'exposedHeaders',
  max_age: 'maxAgeSeconds',
}

/** The rules of the settings; undefined while CORS is off. */
export function corsOf(settings: Pick<SettingsRegistry, 'get'>): Cors | undefined {
  if (!settings.get('corsEnabled')) return undefined
  const rules: CorsRules = {
    origins: settings.get('corsOrigins') ?? [],
    credentials: settings.get('corsCredentials'),
    methods: settings.get('corsMethods'),
    headers: settings.get('corsHeaders'),
    exposedHeaders: settings.get('corsExposedHeaders'),
    maxAgeSeconds: settings.get('corsMaxAgeSeconds'),
  }
  const byHost = new Map<string, CorsRules>()
  for (const [name, value] of settings.get('corsByHost')) {
    const slash = name.lastIndexOf('/')
    const host = name.slice(0, slash)
    const member = MEMBERS[name.slice(slash + 1)]!
    byHost.set(host, { ...(byHost.get(host) ?? rules), [member]: value })
  }
  return { rules, byHost, forwardedHost: settings.get('forwardedHostHeader') }
}
