import { type Console, EXIT, type Parts } from './parts.ts'
import { withStoreFile } from './store-file.ts'

/** Prints what a database file holds, `name: value` a line. */
export function inspect(file: string, parts: Parts, console: Console): Promise<number> {
  return withStoreFile(file, parts, console, (store) => {
    const { fileBytes, trees } = store.stats()
    const lines = [
      `file: ${file}`,
      `uuid: ${store.uuid}`,
      `commit: ${store.commit}`,
      `bytes: ${fileBytes}`,
      `state: ${store.recovery.outcome}`,
      ...Object.entries(trees).map(
        ([name, { count, bytes, depth }]) => `tree ${name}: ${count} entries, ${bytes} bytes, depth ${depth}`,
      ),
    ]
    console.out(`${lines.join('\n')}\n`)
    return EXIT.ok
  })
}
