/** Random updates in batches of 100, each durable, until the process is killed. */

import { Documents } from '../../../src/lab/measure/documents.ts'
import { Random } from '../../../test/support/random.ts'
import type { Figures, StepContext } from '../step.ts'

const BATCH = 100

export async function victim(context: StepContext): Promise<Figures> {
  const { seed, round, documents, operations } = context
  const random = new Random(seed * 1000 + round)
  const made = new Documents(seed)
  const store = await context.open().open(context.path, context)
  for (let done = 0; done < operations; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => made.put(random.int(documents), 2 + round))
    if (store.commitSync === undefined) await store.commit(batch)
    else store.commitSync(batch)
    context.progress((done + BATCH) / operations)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await store.close()
  return {}
}
