/** What the processes of a group have used so far (proc(5)): a store's program, and all that it has started. */
import { readdirSync, readFileSync } from 'node:fs'
import { processCpuUs } from './process-cpu.ts'
import { fieldOf } from './process-figures.ts'

const KIBIBYTE = 1024
/** Of what follows the command's name in /proc/PID/stat: the group is the fifth of the line. */
const GROUP = 2

function members(group: number): number[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  return names.map(Number).filter((pid) => Number.isInteger(pid) && groupOf(pid) === group)
}

function groupOf(pid: number): number {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[GROUP])
  } catch {
    return Number.NaN
  }
}

/** Added up over those that run; NaN where there is no /proc, and for a group without one. */
export function groupFigures(group: number | undefined): {
  cpuUs: number
  peakMemoryBytes: number
  writtenBytes: number
  deviceBytes: number
} {
  const pids = group === undefined ? [] : members(group)
  const sum = (figure: (pid: number) => number): number =>
    pids.length === 0 ? Number.NaN : pids.reduce((total, pid) => total + figure(pid), 0)
  return {
    cpuUs: sum(processCpuUs),
    peakMemoryBytes: sum((pid) => fieldOf(`/proc/${pid}/status`, /^VmHWM:\s+(\d+) kB$/m) * KIBIBYTE),
    writtenBytes: sum((pid) => fieldOf(`/proc/${pid}/io`, /^wchar: (\d+)$/m)),
    deviceBytes: sum((pid) => fieldOf(`/proc/${pid}/io`, /^write_bytes: (\d+)$/m)),
  }
}
