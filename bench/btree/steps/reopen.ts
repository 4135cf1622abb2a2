/** Opening a store that was killed, until it answers its first get. */
import { performance } from 'node:perf_hooks'
import { Documents } from '../../../src/lab/measure/documents.ts'
import { cpuUs, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import type { Figures, StepContext } from '../step.ts'

export async function reopen(context: StepContext): Promise<Figures> {
  const engine = context.open()
  const key = new Documents(context.seed).id(0)
  const cpu = cpuUs()
  const start = performance.now()
  const store = await engine.open(context.path, context)
  const value = store.get(key)
  const openMs = performance.now() - start
  const figures = { openMs, cpuMs: (cpuUs() - cpu) / 1000, peakMemory: peakMemoryBytes() }
  if (value === undefined) throw new Error('a document is gone that was durable')
  await store.close()
  return figures
}
