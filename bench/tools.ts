/** What benchmarks share. */
import { performance } from 'node:perf_hooks'

export { withFolder } from '../src/lab/measure/with-folder.ts'

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

/** The value below which `share` (0 to 1) of the values lie. Sorts them in place. */
export function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
}
