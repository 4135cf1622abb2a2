/**
 * The file that the server itself writes, `local.ini` in the data folder: what requests have changed. It is replaced as a
 * whole, so that whenever the process ends the name holds the old text or the new; comments and order are kept, also
 * those of somebody who edits it by hand.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DurableFiles, writeDurably } from '../base/durable-file.ts'
import { hasCode } from '../base/node-error.ts'
import { withKey, withoutKey } from './ini-edit.ts'
import type { ConfigFile } from './load.ts'

/** The file of a data folder; an empty text where there is none. */
export async function readLocalFile(dataDir: string): Promise<ConfigFile> {
  const path = join(dataDir, 'local.ini')
  try {
    return { path, text: await readFile(path, 'utf8') }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return { path, text: '' }
    throw error
  }
}

export class LocalFile {
  readonly path: string
  readonly #files: DurableFiles | undefined

  /** `files` are the system's unless a test gives others. */
  constructor(path: string, files?: DurableFiles) {
    this.path = path
    this.#files = files
  }

  /** Durable when it resolves. An undefined `value` says that the key has none. */
  put(section: string, key: string, value: string | undefined): Promise<void> {
    return this.#change((text) => withKey(text, section, key, value))
  }

  /** Durable when it resolves. */
  remove(section: string, key: string): Promise<void> {
    return this.#change((text) => withoutKey(text, section, key))
  }

  /** What is in the file now is what is changed: it may have been edited. */
  async #change(change: (text: string) => string): Promise<void> {
    const { text } = await readLocalFile(dirname(this.path))
    const changed = change(text)
    if (changed !== text) await writeDurably(this.path, changed, 0o600, this.#files)
  }
}
