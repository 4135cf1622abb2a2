/**
 * A few durable commits on a new store, one after another, for whoever counts the calls of this process from
 * outside.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Documents } from '../../../src/lab/measure/documents.ts'
import { BareFile } from '../../peers/bare-file.ts'
import { BARE, type Figures, type StepContext } from '../step.ts'

/** In the call style of sequential commits. */
export function syncs(context: StepContext): Promise<Figures> {
  return commitAll(context, true)
}

/** In that of concurrent ones. */
export function asyncSyncs(context: StepContext): Promise<Figures> {
  return commitAll(context, false)
}

async function commitAll(context: StepContext, onThread: boolean): Promise<Figures> {
  const made = new Documents(context.seed)
  const path = join(context.folder, 'counted')
  if (context.engine === BARE) {
    const file = new BareFile(path)
    for (let i = 0; i < context.operations; i++) file.commitSync(made.body(i))
    file.close()
  } else {
    const store = await context.open().open(path, context)
    for (let i = 0; i < context.operations; i++) {
      if (!onThread || store.commitSync === undefined) await store.commit([made.put(i)])
      else store.commitSync([made.put(i)])
    }
    await store.close()
  }
  rmSync(context.folder, { recursive: true, force: true })
  return {}
}
