/**
 * 64 writers at once, each waiting for its own document to be durable before it sends the next; a scan of all and a
 * quarter as many documents go before, for caches and compilers. An engine whose commits hold the thread cannot have
 * more than one at a time: for those, batches of 64 made by hand are measured as well.
 */
import { performance } from 'node:perf_hooks'
import { Documents } from '../../../src/lab/measure/documents.ts'
import { cpuUs } from '../../../src/lab/measure/process-figures.ts'
import { Samples } from '../../../src/lab/measure/statistics.ts'
import type { StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import type { Figures, StepContext } from '../step.ts'

const WRITERS = 64
const FIRST_NEW = (1 << 30) + (1 << 29)
const NEW_PER_ROUND = 1 << 22
const WARM_SHARE = 4

/** `operations` is the number of documents of all writers together. */
export async function writers(context: StepContext): Promise<Figures> {
  const { seed, round, operations } = context
  const made = new Documents(seed)
  const store = await context.open().open(context.path, context)
  let next = FIRST_NEW + round * NEW_PER_ROUND
  const each = Math.ceil(operations / WRITERS)
  const commit = (): Promise<void> => store.commit([made.put(next++)])
  await store.scan(() => undefined)
  await together(Math.ceil(each / WARM_SHARE), commit)
  const samples = new Samples(each * WRITERS)
  const cpu = cpuUs()
  const start = performance.now()
  await together(each, async () => {
    const sent = performance.now()
    await commit()
    samples.add((performance.now() - sent) * 1000)
    if ((samples.count & 1023) === 0) context.progress(samples.count / (each * WRITERS))
  })
  const seconds = (performance.now() - start) / 1000
  const figures: Figures = {
    'writers.rate': (each * WRITERS) / seconds,
    'writers.cpuPerDocument': (cpuUs() - cpu) / (each * WRITERS),
    ...samples.figures('writers.wall'),
  }
  Object.assign(figures, await byHand(store, made, next, each))
  await store.close()
  return figures
}

/** Each of the writers calls `commit` so many times, one after another. */
async function together(times: number, commit: () => Promise<void>): Promise<void> {
  const writer = async (): Promise<void> => {
    for (let i = 0; i < times; i++) await commit()
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
}

/** Nothing for an engine that brings concurrent commits together itself. */
async function byHand(store: StoreAdapter, made: Documents, from: number, batches: number): Promise<Figures> {
  if (store.commitSync === undefined) return {}
  const start = performance.now()
  for (let i = 0; i < batches; i++) store.commitSync(made.batch(from + i * WRITERS, WRITERS))
  const seconds = (performance.now() - start) / 1000
  return { 'writers.byHand.rate': (batches * WRITERS) / seconds }
}
