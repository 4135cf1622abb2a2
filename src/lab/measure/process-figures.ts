/** What this process has used so far. Linux tells more than the others: NaN where a figure is not to be had. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The unit of `st_blocks` (stat(2)), whatever the file system's own is. */
const STAT_BLOCK = 512

/** CPU time of all threads of this process in µs, the kernel's share included. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** CPU time of this thread alone in µs; NaN before Node 23.9. */
export function threadCpuUs(): number {
  const usage = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.()
  return usage === undefined ? Number.NaN : usage.user + usage.system
}

/** Most resident memory of this process so far in bytes, mapped files included. */
export function peakMemoryBytes(): number {
  const kibibytes = fieldOf('/proc/self/status', /^VmHWM:\s+(\d+) kB$/m)
  return Number.isNaN(kibibytes) ? process.resourceUsage().maxRSS * 1024 : kibibytes * 1024
}

/** Bytes that this process handed to write() and its like so far. */
export function writtenBytes(): number {
  return fieldOf('/proc/self/io', /^wchar: (\d+)$/m)
}

/** Bytes that this process made the kernel send to a device, or will once they are flushed; of a tmpfs none. */
export function deviceBytes(): number {
  return fieldOf('/proc/self/io', /^write_bytes: (\d+)$/m)
}

/** A number in a file of the kernel's; NaN where it is not there. */
export function fieldOf(path: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(path, 'utf8'))?.[1] ?? Number.NaN)
  } catch {
    return Number.NaN
  }
}

/** Room that all files in a folder take, holes left out. */
export function allocatedBytes(folder: string): number {
  let total = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) total += statSync(join(entry.parentPath, entry.name)).blocks * STAT_BLOCK
  }
  return total
}

/** Lengths of all files in a folder, added up. */
export function folderBytes(folder: string): number {
  let total = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) total += statSync(join(entry.parentPath, entry.name)).size
  }
  return total
}
