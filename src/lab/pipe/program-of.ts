import { fileURLToPath } from 'node:url'
import type { StoreSource } from '../load-store.ts'

/** The program that has the store in a process of its own, behind the pipe. */
export function programOf(source: StoreSource): string[] {
  if (source.kind === 'command') return [...source.words]
  const host = fileURLToPath(new URL('./host.js', import.meta.url))
  return [process.execPath, host, source.kind === 'module' ? source.path : source.name]
}
