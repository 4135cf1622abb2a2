/** From what stands behind `--store` to a store. */
import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Store } from './api.ts'
import { LabError, messageOf } from './lab-error.ts'
import { PeerMissing } from './peers/adapter.ts'
import { betterSqlite3Engine } from './peers/better-sqlite3.ts'
import { classicLevelEngine } from './peers/classic-level.ts'
import { lmdbEngine } from './peers/lmdb.ts'
import { FORMATS, JSON_LINES, type PipeFormat } from './pipe/format.ts'
import { pipeStore } from './pipe/pipe-store.ts'
import { storeIn } from './store-shape.ts'
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

/** How the store that `--store` names comes to be. */
export type StoreSource =
  | { readonly kind: 'built-in'; readonly name: string }
  | { readonly kind: 'module'; readonly path: string }
  | { readonly kind: 'command'; readonly words: readonly string[]; readonly format: PipeFormat }

/**
 * What `words` name: a store that is built in, the path of a module, or, when there is a space in it or it is the path
 * of another file, a program with its words, behind `msgpack:` where it speaks that. Throws LabError for what is none of them.
 */
export function storeSource(words: string, folder: string = process.cwd()): StoreSource {
  if (Object.hasOwn(BUILT_IN, words)) return { kind: 'built-in', name: words }
  const format = FORMATS.find(({ name }) => words.startsWith(`${name}:`))
  if (format !== undefined) {
    const [program = '', ...more] = wordsOf(words.slice(format.name.length + 1))
    if (program === '') throw new LabError(`there is no program behind ${words}`)
    return { kind: 'command', words: [program, ...more], format }
  }
  const path = resolve(folder, words)
  if (MODULE_ENDS.includes(extname(path))) {
    if (!existsSync(path)) throw new LabError(`there is no file ${path}`)
    return { kind: 'module', path }
  }
  if (existsSync(path)) return { kind: 'command', words: [path], format: JSON_LINES }
  const parts = wordsOf(words)
  if (parts.length > 1) return { kind: 'command', words: parts, format: JSON_LINES }
  throw new LabError(
    `${JSON.stringify(words)} is no store: name one of ${BUILT_IN_NAMES.join(', ')}, the file of an adapter ` +
      '(./my-store.mjs), or a program with its words ("python3 my_store.py")',
  )
}

/** Split at spaces outside of quotes; no shell reads them. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '')
}

/** The store that `words` name, as `storeSource` reads them. Throws LabError. */
export async function loadStore(words: string, folder: string = process.cwd()): Promise<Store> {
  const source = storeSource(words, folder)
  if (source.kind === 'built-in') return fromPeer(BUILT_IN[source.name]!)
  if (source.kind === 'command') return pipeStore({ command: source.words, format: source.format })
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(source.path).href)) as { default?: unknown }
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
