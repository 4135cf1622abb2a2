/** What a figure needs beside it to mean anything later. */
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

export interface Machine {
  cpu: string
  cores: number
  memoryBytes: number
  system: string
  node: string
  v8: string
  /** Of the last minute, when the benchmark began. */
  load: number
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.version,
    v8: process.versions.v8,
    load: loadavg()[0]!,
  }
}

export function machineLine({ cpu, cores, memoryBytes, system, node, load }: Machine): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GiB`
  return `${cpu}, ${cores} cores, ${memory}, ${system}, node ${node}, load ${load.toFixed(1)}`
}
