import { readFileSync } from 'node:fs'

/** How many files and sockets the process may have open; undefined where the system does not say (getrlimit(2), proc(5)). */
export function openFileLimit(): number | undefined {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line === null ? undefined : Number(line[1])
  } catch {
    return undefined
  }
}
