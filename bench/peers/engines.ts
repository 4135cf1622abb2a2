/** All engines by name, ours first. */
import type { Engine } from '../../src/lab/peers/adapter.ts'
import { betterSqlite3Engine } from '../../src/lab/peers/better-sqlite3.ts'
import { classicLevelEngine } from '../../src/lab/peers/classic-level.ts'
import { lmdbEngine } from '../../src/lab/peers/lmdb.ts'
import { nativeEngine } from './native.ts'

export const OURS = 'native-free-btree'

const ENGINES: Record<string, () => Engine> = {
  [OURS]: nativeEngine,
  lmdb: lmdbEngine,
  'classic-level': classicLevelEngine,
  'better-sqlite3': betterSqlite3Engine,
}

export const ENGINE_NAMES: readonly string[] = Object.keys(ENGINES)

/** Throws PeerMissing, and RangeError for a name that is none of ENGINE_NAMES. */
export function engineNamed(name: string): Engine {
  const make = Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined
  if (make === undefined) throw new RangeError(`there is no engine ${name}: ${ENGINE_NAMES.join(', ')}`)
  return make()
}
