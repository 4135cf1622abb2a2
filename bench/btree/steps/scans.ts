/** Everything with its body, in each order that the engine keeps, and ranges of 100 from random ids. */
import { performance } from 'node:perf_hooks'
import { BODY_BYTES, Documents, ID_BYTES } from '../../../src/lab/measure/documents.ts'
import { cpuUs, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import type { Order, StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import { Random } from '../../../test/support/random.ts'
import type { Figures, StepContext } from '../step.ts'

const RANGE = 100

export async function scans(context: StepContext): Promise<Figures> {
  const engine = context.open()
  const store = await engine.open(context.path, context)
  const figures: Figures = {}
  for (const [index, order] of engine.orders.entries()) {
    Object.assign(figures, await scanAll(store, order, context))
    context.progress((index + 1) / 3)
  }
  Object.assign(figures, await ranges(store, context))
  figures['scan.peakMemory'] = peakMemoryBytes()
  await store.close()
  return figures
}

/** The first pass warms the caches. */
async function scanAll(store: StoreAdapter, order: Order, { documents }: StepContext): Promise<Figures> {
  let bytes = 0
  const visit = (key: Buffer, value: Buffer): void => {
    bytes += key.length + value.length
  }
  const first = await store.scan(visit, { order })
  if (first < documents || bytes !== first * (ID_BYTES + BODY_BYTES)) {
    throw new Error(`a scan gave ${first} of ${documents} documents`)
  }
  const cpu = cpuUs()
  const start = performance.now()
  const count = await store.scan(visit, { order })
  const seconds = (performance.now() - start) / 1000
  return {
    [`scan.${order}.rate`]: count / seconds,
    [`scan.${order}.cpuPerDocument`]: (cpuUs() - cpu) / count,
  }
}

async function ranges(store: StoreAdapter, context: StepContext): Promise<Figures> {
  const { operations, seed, round, documents } = context
  const random = new Random(seed * 1000 + round)
  const made = new Documents(seed)
  const starts = Array.from({ length: operations }, () => made.id(random.int(documents)))
  let seen = 0
  const visit = (): void => {
    seen += 1
  }
  const cpu = cpuUs()
  const start = performance.now()
  for (const id of starts) await store.scan(visit, { start: id, limit: RANGE })
  const seconds = (performance.now() - start) / 1000
  if (seen < (operations * Math.min(RANGE, documents)) / 4) throw new Error(`ranges gave ${seen} documents`)
  return { 'ranges.rate': operations / seconds, 'ranges.cpuPerRange': (cpuUs() - cpu) / operations }
}
