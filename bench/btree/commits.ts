/** Commits with a clock on each. */
import { performance } from 'node:perf_hooks'
import { cpuUs, threadCpuUs } from '../../src/lab/measure/process-figures.ts'
import { Samples } from '../../src/lab/measure/statistics.ts'
import type { Operation, StoreAdapter } from '../../src/lab/peers/adapter.ts'
import type { BareFile } from '../peers/bare-file.ts'

/** Wall time, CPU of the process and CPU of the thread of each commit, in µs. */
export class CommitSamples {
  readonly wall: Samples
  readonly cpu: Samples
  readonly threadCpu: Samples

  constructor(capacity: number) {
    this.wall = new Samples(capacity)
    this.cpu = new Samples(capacity)
    this.threadCpu = new Samples(capacity)
  }

  async commit(adapter: StoreAdapter, operations: readonly Operation[]): Promise<void> {
    const cpu = cpuUs()
    const threadCpu = threadCpuUs()
    const start = performance.now()
    if (adapter.commitSync === undefined) await adapter.commit(operations)
    else adapter.commitSync(operations)
    this.wall.add((performance.now() - start) * 1000)
    this.threadCpu.add(threadCpuUs() - threadCpu)
    this.cpu.add(cpuUs() - cpu)
  }

  async bareCommit(file: BareFile, bytes: Buffer, onThread: boolean): Promise<void> {
    const cpu = cpuUs()
    const start = performance.now()
    if (onThread) file.commitSync(bytes)
    else await file.commit(bytes)
    this.wall.add((performance.now() - start) * 1000)
    this.cpu.add(cpuUs() - cpu)
  }
}
