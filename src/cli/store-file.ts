import { describeError } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import { type Console, EXIT, type InspectedStore, type Parts } from './parts.ts'

/** Codes that say that the file was not read, as opposed to what reading it showed. */
const UNREADABLE = ['ENOENT', 'EISDIR', 'ENOTDIR', 'EACCES', 'EPERM']

/**
 * Opens a file, uses it, closes it. Resolves with what `use` returned, or with the exit status after a
 * failure, which has been reported: 2 when the file could not be read, 1 when it is damaged.
 */
export async function withStoreFile(
  file: string,
  parts: Parts,
  console: Console,
  use: (store: InspectedStore) => number | Promise<number>,
): Promise<number> {
  try {
    const store = await parts.openStore(file)
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  } catch (error) {
    const unreadable = UNREADABLE.some((code) => hasCode(error, code))
    console.err(`davenport: ${file}: ${describeError(error)}\n`)
    return unreadable ? EXIT.usage : EXIT.failure
  }
}
