import type { SettingsRegistry } from '../../config/registry.ts'
import type { SettingName } from '../../config/settings.ts'
import type { CorsRules } from './cors.ts'

/** What `corsRules` reads. */
export const CORS_SETTINGS = [
  'corsEnabled',
  'corsOrigins',
  'corsCredentials',
  'corsMethods',
  'corsHeaders',
  'corsMaxAgeSeconds',
] as const satisfies readonly SettingName[]

/** The rules of the settings; undefined while CORS is off. */
export function corsRules(settings: Pick<SettingsRegistry, 'get'>): CorsRules | undefined {
  if (!settings.get('corsEnabled')) return undefined
  return {
    origins: settings.get('corsOrigins') ?? [],
    credentials: settings.get('corsCredentials'),
    methods: settings.get('corsMethods')?.map((method) => method.toUpperCase()),
    headers: settings.get('corsHeaders'),
    maxAgeSeconds: settings.get('corsMaxAgeSeconds'),
  }
}
