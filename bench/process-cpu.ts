/** CPU time of a process by its number, user and system, all threads, from /proc/PID/stat (proc(5)). */
import { readFileSync } from 'node:fs'

/** The unit of utime and stime (`getconf CLK_TCK`), the same on every Linux that Node runs on. */
const TICK_US = 10_000
/** Fields of what follows the command's name: utime is the 14th of the line, stime the 15th. */
const UTIME = 11
const STIME = 12

/** Microseconds, in steps of 10 ms; NaN where there is no /proc. */
export function processCpuUs(pid: number): number {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return Number.NaN
  }
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_US
}
