import type { Config } from '../config/load.ts'
import type { CorsRules } from '../http/request/cors.ts'

/** The rules of a configuration; undefined while CORS is off. */
export function corsRules(config: Config): CorsRules | undefined {
  if (!config.corsEnabled) return undefined
  return {
    origins: config.corsOrigins ?? [],
    credentials: config.corsCredentials,
    methods: config.corsMethods?.map((method) => method.toUpperCase()),
    headers: config.corsHeaders,
    maxAgeSeconds: config.corsMaxAgeSeconds,
  }
}
