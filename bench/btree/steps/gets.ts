/**
 * Gets of random documents, one after another, after a scan of all and as many gets that warm the caches. Keys are
 * made outside the timed blocks; every value is checked for its length, one in 64 for its document.
 */
import { performance } from 'node:perf_hooks'
import { BODY_BYTES, Documents, numberOf } from '../../../src/lab/measure/documents.ts'
import { cpuUs, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import type { StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import { Random } from '../../../test/support/random.ts'
import type { Figures, StepContext } from '../step.ts'

const BLOCK = 5000

export async function gets(context: StepContext): Promise<Figures> {
  const { operations } = context
  const store = await context.open().open(context.path, context)
  const reader = new Reader(store, context)
  await store.scan(() => undefined)
  await reader.run(operations, (done) => context.progress(done / 2))
  const { wallUs, cpu } = await reader.run(operations, (done) => context.progress(0.5 + done / 2))
  const figures = {
    'gets.rate': (operations / wallUs) * 1e6,
    'gets.cpuPerGet': cpu / operations,
    'gets.peakMemory': peakMemoryBytes(),
  }
  await store.close()
  return figures
}

class Reader {
  readonly #store: StoreAdapter
  readonly #random: Random
  readonly #made: Documents
  readonly #documents: number

  constructor(store: StoreAdapter, { seed, round, documents }: StepContext) {
    this.#store = store
    this.#random = new Random(seed * 1000 + round)
    this.#made = new Documents(seed)
    this.#documents = documents
  }

  async run(count: number, progress: (done: number) => void): Promise<{ wallUs: number; cpu: number }> {
    let wallUs = 0
    let cpu = 0
    for (let done = 0; done < count; done += BLOCK) {
      const numbers = Array.from({ length: Math.min(BLOCK, count - done) }, () =>
        this.#random.int(this.#documents),
      )
      const keys = numbers.map((number) => this.#made.id(number))
      const cpuBefore = cpuUs()
      const start = performance.now()
      this.#block(keys, numbers)
      wallUs += (performance.now() - start) * 1000
      cpu += cpuUs() - cpuBefore
      progress(done / count)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { wallUs, cpu }
  }

  #block(keys: readonly Buffer[], numbers: readonly number[]): void {
    for (let i = 0; i < keys.length; i++) {
      const value = this.#store.get(keys[i]!)
      const wrong = value?.length !== BODY_BYTES || ((i & 63) === 0 && numberOf(value) !== numbers[i])
      if (wrong) throw new Error(`document ${numbers[i]} was not what was stored`)
    }
  }
}
