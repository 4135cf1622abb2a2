/** What benchmarks share. */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

export interface Benchmark {
  /** One line for the list. */
  summary: string
  /** For its help: those that it takes, with their defaults. */
  flags: string
  /** Runs with the arguments after the name and prints figures by `print`. */
  run(args: string[], print: (line: string) => void): Promise<void>
}

/** Returns the seconds since the call before, or since the start. */
export function stopwatch(): () => number {
  let since = performance.now()
  return () => {
    const now = performance.now()
    const seconds = (now - since) / 1000
    since = now
    return seconds
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

/**
 * Runs with a new folder below `parent` (default: the system's for temporary files), removed afterwards, also when
 * the run is broken off by SIGINT or SIGTERM.
 */
export async function withFolder(
  parent: string | undefined,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const above = parent ?? tmpdir()
  await mkdir(above, { recursive: true })
  const folder = await mkdtemp(join(above, 'davenport-bench-'))
  const breakOff = (): void => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(130)
  }
  process.once('SIGINT', breakOff).once('SIGTERM', breakOff)
  try {
    await run(folder)
  } finally {
    process.removeListener('SIGINT', breakOff).removeListener('SIGTERM', breakOff)
    await rm(folder, { recursive: true, force: true })
  }
}

/** The value below which `share` (0 to 1) of the values lie. Sorts them in place. */
export function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
}
