/** The first documents in each order, with their bodies; a tenth of them before, to warm the code and the cache. */
import { performance } from 'node:perf_hooks'
import { cpuUs, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import type { Figures, StepContext } from '../step.ts'

/** `operations` is the number of documents to visit. */
export async function partialScans(context: StepContext): Promise<Figures> {
  const engine = context.open()
  const store = await engine.open(context.path, context)
  const figures: Figures = {}
  let bytes = 0
  const visit = (key: Buffer, value: Buffer): void => {
    bytes += key.length + value.length
  }
  for (const order of engine.orders) {
    await store.scan(visit, { order, limit: Math.ceil(context.operations / 10) })
    const cpu = cpuUs()
    const start = performance.now()
    const count = await store.scan(visit, { order, limit: context.operations })
    figures[`scan.${order}.rate`] = (count / (performance.now() - start)) * 1000
    figures[`scan.${order}.cpuPerDocument`] = (cpuUs() - cpu) / count
  }
  if (bytes === 0) throw new Error('a scan gave nothing')
  figures['scan.peakMemory'] = peakMemoryBytes()
  await store.close()
  return figures
}
