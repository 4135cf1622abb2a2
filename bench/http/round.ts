/** One measurement of one server: what the load tool saw, and what the server's process took for it. */
import { mainThreadCpuUs, processCpuUs } from '../../src/lab/measure/process-cpu.ts'
import type { LoadTool } from './load.ts'
import type { Target } from './target.ts'
import type { Load, Measured } from './workload.ts'

export interface Round extends Measured {
  requestsPerSecond: number
  /** NaN where it is not known: of peers, and on other systems than Linux. */
  cpuUsPerRequest: number
  mainCpuUsPerRequest: number
}

/** Throws Error where an answer was no 2xx. */
export async function oneRound(target: Target, load: Load, tool: LoadTool, seconds: number): Promise<Round> {
  const { pid } = target
  const before = pid === undefined ? Number.NaN : processCpuUs(pid)
  const mainBefore = pid === undefined ? Number.NaN : mainThreadCpuUs(pid)
  const taken = await tool(target.origin, load, seconds)
  if (taken.errors > 0)
    throw new Error(`${target.name}: ${taken.errors} errors at ${load.method} ${load.path}`)
  const { requests } = taken
  const cpuUsPerRequest = pid === undefined ? Number.NaN : (processCpuUs(pid) - before) / requests
  const mainCpuUsPerRequest = pid === undefined ? Number.NaN : (mainThreadCpuUs(pid) - mainBefore) / requests
  return { ...taken, requestsPerSecond: requests / taken.seconds, cpuUsPerRequest, mainCpuUsPerRequest }
}
