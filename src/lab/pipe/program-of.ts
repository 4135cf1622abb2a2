import { fileURLToPath } from 'node:url'
import type { StoreSource } from '../load-store.ts'
import { JSON_LINES } from './format.ts'
import type { Program } from './store-process.ts'

/** The program that has the store in a process of its own, behind the pipe. */
export function programOf(source: StoreSource): Required<Program> {
  if (source.kind === 'command') return { command: source.words, format: source.format }
  const host = fileURLToPath(new URL('./host.js', import.meta.url))
  const store = source.kind === 'module' ? source.path : source.name
  return { command: [process.execPath, host, store], format: JSON_LINES }
}
