/** CPU time of a process by its number, user and system, from /proc/PID/stat and /proc/PID/task (proc(5)). */
import { readFileSync } from 'node:fs'

/** The unit of utime and stime (`getconf CLK_TCK`), the same on every Linux that Node runs on. */
const TICK_US = 10_000
/** Fields of what follows the command's name: utime is the 14th of the line, stime the 15th. */
const UTIME = 11
const STIME = 12
/** cutime and cstime: of children that were waited for. */
const UTIME_OF_ENDED = 13
const STIME_OF_ENDED = 14

/** Of all threads. Microseconds, in steps of 10 ms; NaN where there is no /proc. */
export function processCpuUs(pid: number): number {
  return cpuUs(`/proc/${pid}/stat`)
}

/** The same of the main thread alone. */
export function mainThreadCpuUs(pid: number): number {
  return cpuUs(`/proc/${pid}/task/${pid}/stat`)
}

/**
 * Of all processes of the machine (proc(5): the first line of /proc/stat, without idle and iowait); NaN where there is no
 * /proc.
 */
export function machineCpuUs(): number {
  let line: string
  try {
    line = readFileSync('/proc/stat', 'latin1')
  } catch {
    return Number.NaN
  }
  const [user, nice, system, , , irq, softirq] = line
    .slice(0, line.indexOf('\n'))
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user! + nice! + system! + irq! + softirq!) * TICK_US
}

/** Of this process and of all that it, or one of them, has started and that have ended. */
export function treeCpuUs(): number {
  return cpuUs('/proc/self/stat', [UTIME, STIME, UTIME_OF_ENDED, STIME_OF_ENDED])
}

function cpuUs(path: string, fields: readonly number[] = [UTIME, STIME]): number {
  let line: string
  try {
    line = readFileSync(path, 'latin1')
  } catch {
    return Number.NaN
  }
  const words = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return fields.reduce((sum, field) => sum + Number(words[field]), 0) * TICK_US
}
