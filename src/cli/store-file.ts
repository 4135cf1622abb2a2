import { access, constants, stat } from 'node:fs/promises'
import { hasCode } from '../base/node-error.ts'
import { type Console, EXIT, type InspectedStore, type Parts } from './parts.ts'
import { explain } from './system-error.ts'

/** Undefined when `file` is a file that can be read. Nothing is opened: opening a pipe would wait for its writer. */
async function reasonAgainst(file: string): Promise<string | undefined> {
  try {
    const found = await stat(file)
    if (found.isDirectory()) return `${file}: this is a folder, not a database file`
    if (!found.isFile()) return `${file}: this is a device, a pipe or a socket, not a database file`
    await access(file, constants.R_OK)
    return undefined
  } catch (error) {
    return explain(error)
  }
}

/**
 * Runs `work` on a file and reports what it throws. Resolves with what it returned, or with the exit status after a
 * failure: 2 when there is no such file, it cannot be read or is of a format unknown here, else 1.
 */
export async function withFile(file: string, console: Console, work: () => Promise<number>): Promise<number> {
  const reason = await reasonAgainst(file)
  if (reason !== undefined) {
    console.err(`davenport: ${reason}\n`)
    return EXIT.usage
  }
  try {
    return await work()
  } catch (error) {
    console.err(`davenport: ${file}: ${explain(error)}\n`)
    return hasCode(error, 'UNSUPPORTED_VERSION') ? EXIT.usage : EXIT.failure
  }
}

/** As `withFile`, with the store in the file, open for reading. */
export function withStoreFile(
  file: string,
  parts: Parts,
  console: Console,
  use: (store: InspectedStore) => number | Promise<number>,
): Promise<number> {
  return withFile(file, console, async () => {
    const store = await parts.openStore(file)
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  })
}
