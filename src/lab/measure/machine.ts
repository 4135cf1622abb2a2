/** The machine that figures were taken on. */
import { readFileSync } from 'node:fs'
import * as os from 'node:os'
import { resolve } from 'node:path'

export interface Machine {
  cpu: string
  cores: number
  memoryBytes: number
  kernel: string
  node: string
  fileSystem: string
  /** Load average over one minute when it was asked. */
  load: number
}

/** @param folder whose file system is named. */
export function machineOf(folder: string): Machine {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    fileSystem: fileSystemOf(resolve(folder)),
    load: os.loadavg()[0] ?? Number.NaN,
  }
}

/** On one line; says when others were using the machine. */
export function describeMachine({
  cpu,
  cores,
  memoryBytes,
  kernel,
  node,
  fileSystem,
  load,
}: Machine): string {
  const busy = load > cores / 4 ? `; BUSY when the run began: load ${load.toFixed(1)}` : ''
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GiB`
  return `${cpu}, ${cores} cores, ${memory}, ${kernel}, node ${node}, ${fileSystem.split(' ')[0]}${busy}`
}

/** Type and options of the mount that holds `path`, from /proc/self/mounts. */
function fileSystemOf(path: string): string {
  let best = { point: '', text: 'unknown' }
  try {
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
      const [device, point = '', type, options] = line.split(' ')
      const holds = point === '/' || path === point || path.startsWith(`${point}/`)
      if (holds && point.length >= best.point.length)
        best = { point, text: `${type} (${options}) on ${device}` }
    }
  } catch {
    return 'unknown'
  }
  return best.text
}
