/** From what stands behind `--store` to a store. */
import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Capabilities, Store } from './api.ts'
import { LabError, messageOf } from './lab-error.ts'
import { PeerMissing } from './peers/adapter.ts'
import { betterSqlite3Engine } from './peers/better-sqlite3.ts'
import { classicLevelEngine } from './peers/classic-level.ts'
import { lmdbEngine } from './peers/lmdb.ts'
import { engineStore } from './stores/engine-store.ts'
import { memoryStore } from './stores/memory.ts'
import { nativeStore } from './stores/native.ts'

const BUILT_IN: Readonly<Record<string, () => Store>> = {
  'native-free-btree': () => nativeStore,
  'classic-level': () => engineStore(classicLevelEngine(), []),
  lmdb: () => engineStore(lmdbEngine(), ['-lock']),
  // The shared index of the log is made anew by the first process that opens the database.
  'better-sqlite3': () => engineStore(betterSqlite3Engine(), ['-shm']),
  memory: () => memoryStore,
}

export const BUILT_IN_NAMES: readonly string[] = Object.keys(BUILT_IN)

const MODULE_ENDS = ['.js', '.mjs', '.cjs', '.ts', '.mts']

const CAPABILITIES: readonly (keyof Capabilities)[] = [
  'transactions',
  'orderedScans',
  'concurrentWriters',
  'multipleProcesses',
  'fileSystem',
]

/** The store that `words` names: one that is built in, or the path of a module. Throws LabError. */
export async function loadStore(words: string, folder: string = process.cwd()): Promise<Store> {
  const builtIn = Object.hasOwn(BUILT_IN, words) ? BUILT_IN[words] : undefined
  if (builtIn !== undefined) return fromPeer(builtIn)
  const path = resolve(folder, words)
  if (!MODULE_ENDS.includes(extname(path))) {
    throw new LabError(
      `${JSON.stringify(words)} is no store: name one of ${BUILT_IN_NAMES.join(', ')}, or the file of an adapter, ` +
        'for example ./my-store.js',
    )
  }
  if (!existsSync(path)) throw new LabError(`there is no file ${path}`)
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown }
  } catch (error) {
    throw new LabError(`${words} cannot be loaded: ${messageOf(error)}`, { cause: error })
  }
  return storeIn(module.default, words)
}

function fromPeer(make: () => Store): Store {
  try {
    return make()
  } catch (error) {
    if (error instanceof PeerMissing) throw new LabError(error.message)
    throw error
  }
}

/** `found` as a store, when it is one; `what` says where it was found. Throws LabError. */
export function storeIn(found: unknown, what: string): Store {
  const wrong = (text: string) => new LabError(`${what} is no store: ${text}`)
  if (typeof found !== 'object' || found === null) {
    throw wrong('its default export has to be an object with name, capabilities and open()')
  }
  const { name, capabilities, open, version, rebuiltFiles } = found as Partial<Record<keyof Store, unknown>>
  if (typeof name !== 'string' || name === '') throw wrong('it has no name')
  if (typeof open !== 'function') throw wrong('it has no function open()')
  if (version !== undefined && typeof version !== 'string') throw wrong('its version is no text')
  checkCapabilities(capabilities, wrong)
  const ends: unknown = rebuiltFiles ?? []
  if (!Array.isArray(ends) || !ends.every((end) => typeof end === 'string' && end !== '')) {
    throw wrong('rebuiltFiles has to be a list of texts that names of files end with')
  }
  return found as Store
}

function checkCapabilities(found: unknown, wrong: (text: string) => LabError): void {
  const all = CAPABILITIES.join(', ')
  if (typeof found !== 'object' || found === null) {
    throw wrong(`it has no capabilities: an object that says true or false for each of ${all}`)
  }
  for (const name of CAPABILITIES) {
    const value = (found as Record<string, unknown>)[name]
    if (typeof value !== 'boolean') throw wrong(`capabilities.${name} has to be true or false`)
  }
  for (const name of Object.keys(found)) {
    if (!CAPABILITIES.some((each) => each === name)) {
      throw wrong(`capabilities.${name} is none that the lab knows: ${all}`)
    }
  }
}
