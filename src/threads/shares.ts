/** What each thread gets of what the settings give the server. */
import { availableParallelism } from 'node:os'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Settings } from '../config/settings.ts'

/** The writer reads entries and changes nodes: it has at least this share of the memory for pages. */
const LEAST_CORE_SHARE = 1 / 4
const LEAST_CACHE_BYTES = 1024 * 1024

/** Number of fronts that a setting means. */
export function threadsOf(threads: Settings['threads']): number {
  return threads === 'auto' ? Math.max(1, availableParallelism() - 1) : threads
}

export function coreCacheBytes(settings: Pick<SettingsRegistry, 'get'>): number {
  const count = threadsOf(settings.get('threads'))
  const share = count === 0 ? 1 : Math.max(LEAST_CORE_SHARE, 1 / (count + 1))
  return Math.floor(settings.get('cacheBytes') * share)
}

/** Of each of `count` fronts. */
export function frontCacheBytes(settings: Pick<SettingsRegistry, 'get'>, count: number): number {
  const left = settings.get('cacheBytes') - coreCacheBytes(settings)
  return Math.max(LEAST_CACHE_BYTES, Math.floor(left / count))
}
