/** What each thread gets of what the settings give the server. */
import { availableParallelism } from 'node:os'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Settings } from '../config/settings.ts'

/** The writer reads entries and changes nodes: it has at least this share of the memory for pages. */
const LEAST_CORE_SHARE = 1 / 4
const LEAST_CACHE_BYTES = 1024 * 1024
/** What the engine keeps of a thread's pages to use them again: it is within the memory for pages. At most a quarter of a share. */
const POOL_BYTES = 8 * 1024 * 1024

/** Number of fronts that a setting means. */
export function threadsOf(threads: Settings['threads']): number {
  return threads === 'auto' ? Math.max(1, availableParallelism() - 1) : threads
}

export function coreCacheBytes(settings: Pick<SettingsRegistry, 'get'>): number {
  return withoutPool(settings.get('cacheBytes') * coreShare(threadsOf(settings.get('threads'))))
}

/** Of each of `count` fronts. */
export function frontCacheBytes(settings: Pick<SettingsRegistry, 'get'>, count: number): number {
  const left = settings.get('cacheBytes') * (1 - coreShare(count))
  return Math.max(LEAST_CACHE_BYTES, withoutPool(left / count))
}

function coreShare(count: number): number {
  return count === 0 ? 1 : Math.max(LEAST_CORE_SHARE, 1 / (count + 1))
}

function withoutPool(bytes: number): number {
  return Math.floor(bytes - Math.min(POOL_BYTES, bytes / 4))
}
