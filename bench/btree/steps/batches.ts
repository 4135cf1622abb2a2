/**
 * New documents, then random updates, in batches of 1,000, each batch durable before the next, each twice, of which
 * the second time counts; a store beside it is filled first, so that the code is as warm for a small store as for a large one.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Documents } from '../../../src/lab/measure/documents.ts'
import { cpuUs, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import type { Engine, Operation, StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import { Random } from '../../../test/support/random.ts'
import { CommitSamples } from '../commits.ts'
import type { Figures, StepContext } from '../step.ts'

const BATCH = 1000
const WARM_BATCHES = 50
const FIRST_NEW = 3 << 29
const NEW_PER_ROUND = 1 << 20

/** `operations` is the number of documents of each kind. */
export async function batches(context: StepContext): Promise<Figures> {
  const { seed, round, documents, operations } = context
  const engine = context.open()
  const made = new Documents(seed)
  await warmUp(engine, context, made)
  const store = await engine.open(context.path, context)
  const random = new Random(seed * 1000 + round)
  let next = FIRST_NEW + round * NEW_PER_ROUND
  const insert = (): Operation => made.put(next++)
  const update = (): Operation => made.put(random.int(documents), 3 + round)
  // A store that was just opened reads and copies the nodes that it changes: the second time shows how it goes on.
  await timed('inserts', store, operations, insert)
  await timed('updates', store, operations, update)
  const figures = {
    ...(await timed('inserts', store, operations, insert)),
    ...(await timed('updates', store, operations, update)),
    'batches.peakMemory': peakMemoryBytes(),
  }
  await store.close()
  return figures
}

async function warmUp(engine: Engine, context: StepContext, made: Documents): Promise<void> {
  const folder = join(context.folder, 'warm')
  rmSync(folder, { force: true, recursive: true })
  const store = await engine.open(folder, context)
  for (let i = 0; i < WARM_BATCHES; i++) await store.commit(made.batch(i * BATCH, BATCH))
  const random = new Random(context.seed)
  const update = (): Operation => made.put(random.int(WARM_BATCHES * BATCH), 2)
  for (let i = 0; i < WARM_BATCHES; i++) await store.commit(Array.from({ length: BATCH }, update))
  await store.close()
  rmSync(folder, { force: true, recursive: true })
}

/** CPU is that within the commits. */
async function timed(
  name: string,
  store: StoreAdapter,
  count: number,
  make: () => Operation,
): Promise<Figures> {
  const samples = new CommitSamples(Math.ceil(count / BATCH))
  let making = 0
  const cpu = cpuUs()
  for (let done = 0; done < count; done += BATCH) {
    const before = cpuUs()
    const operations = Array.from({ length: Math.min(BATCH, count - done) }, make)
    making += cpuUs() - before
    await samples.commit(store, operations)
  }
  return {
    [`${name}.rate`]: count / (samples.wall.sum / 1e6),
    [`${name}.cpu`]: (cpuUs() - cpu - making) / count,
    ...samples.wall.figures(`${name}.commit`),
  }
}
