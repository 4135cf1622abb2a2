/** The library's only door. */
export type * from './api.ts'

import type { Store, TreeOptions } from './api.ts'
import type { Clock, RandomBytes } from './clock.ts'
import type { FileSystem } from './file.ts'

export interface StoreOptions {
  /** 'create' makes a new file and fails with ALREADY_EXISTS where there is one; 'write' wants an existing one. */
  mode: 'create' | 'write' | 'read'
  trees: Record<string, TreeOptions>
  clock?: Clock
  random?: RandomBytes
  fileSystem?: FileSystem
}

/** Opens a store. */
export function openStore(path: string, _options: StoreOptions): Promise<Store> {
  return Promise.reject(new Error(`no storage engine to open ${path} with`))
}
