/**
 * One new document for each durable commit; a scan of all and a tenth as many commits go before, for caches and
 * compilers. Ours takes turns, 200 commits at a time, with bare loops in the same process that write as many bytes as
 * one of our commits does: on the same thread or with the sync in the thread pool, each on a file that grows and on
 * one zero-filled before. `probe.*` tells which of them our commits are like: bytes of records of one, the share of
 * commits that stayed on the thread (no turn of the event loop passed), and the share that left the file as long as
 * it was.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Documents } from '../../../src/lab/measure/documents.ts'
import { cpuUs } from '../../../src/lab/measure/process-figures.ts'
import type { Operation, StoreAdapter } from '../../../src/lab/peers/adapter.ts'
import { BareFile } from '../../peers/bare-file.ts'
import { OURS } from '../../peers/engines.ts'
import { CommitSamples } from '../commits.ts'
import { BARE, type Figures, type StepContext } from '../step.ts'

const BLOCK = 200
const PROBE_COMMITS = 100
/** Documents beyond those that were loaded: every step and round adds its own. */
const FIRST_NEW = 1 << 30
const NEW_PER_ROUND = 1 << 20

export const BARE_STYLES = [
  { name: 'sync.growing', onThread: true, zeroFilled: false },
  { name: 'sync.filled', onThread: true, zeroFilled: true },
  { name: 'async.growing', onThread: false, zeroFilled: false },
  { name: 'async.filled', onThread: false, zeroFilled: true },
] as const

export async function commits(context: StepContext): Promise<Figures> {
  const { operations, seed, round } = context
  const made = new Documents(seed)
  let next = FIRST_NEW + round * NEW_PER_ROUND
  const store = await context.open().open(context.path, context)
  const figures: Figures = {}
  let bare: BareLoops | undefined
  if (context.engine === OURS) {
    Object.assign(figures, await probe(store, () => made.put(next++)))
    bare = new BareLoops(context.folder, figures['probe.bytes']!, operations)
  }
  await store.scan(() => undefined)
  const warming = new CommitSamples(operations)
  for (let i = 0; i < operations / 10; i++) await warming.commit(store, [made.put(next++)])
  const samples = new CommitSamples(operations)
  let sameLength = 0
  const cpu = cpuUs()
  for (let done = 0; done < operations; done += BLOCK) {
    const count = Math.min(BLOCK, operations - done)
    for (let i = 0; i < count; i++) {
      const length = bare === undefined ? 0 : statSync(context.path).size
      await samples.commit(store, [made.put(next++)])
      if (bare !== undefined && statSync(context.path).size === length) sameLength += 1
    }
    await bare?.block(count)
    context.progress(done / operations)
  }
  if (bare === undefined) figures['commits.cpu'] = (cpuUs() - cpu) / operations
  else {
    figures['commits.cpu'] = samples.cpu.sum / operations
    figures['probe.filled'] = sameLength / operations
  }
  await store.close()
  return {
    ...figures,
    'commits.rate': operations / (samples.wall.sum / 1e6),
    ...samples.wall.figures('commits.wall'),
    ...(bare?.close() ?? {}),
  }
}

class BareLoops {
  readonly #loops: { name: string; onThread: boolean; file: BareFile; samples: CommitSamples }[]
  readonly #bytes: Buffer

  constructor(folder: string, commitBytes: number, commits: number) {
    this.#bytes = Buffer.alloc(Math.round(commitBytes), 1)
    this.#loops = BARE_STYLES.map(({ name, onThread, zeroFilled }) => ({
      name,
      onThread,
      file: new BareFile(join(folder, `${BARE}.${name}`), zeroFilled ? commits * this.#bytes.length : 0),
      samples: new CommitSamples(commits),
    }))
  }

  async block(commits: number): Promise<void> {
    for (const { file, samples, onThread } of this.#loops) {
      for (let i = 0; i < commits; i++) await samples.bareCommit(file, this.#bytes, onThread)
    }
  }

  close(): Figures {
    const figures: Figures = {}
    for (const { name, file, samples } of this.#loops) {
      file.close()
      figures[`bare.${name}.rate`] = samples.wall.count / (samples.wall.sum / 1e6)
      Object.assign(figures, samples.wall.figures(`bare.${name}`))
    }
    return figures
  }
}

async function probe(store: StoreAdapter, put: () => Operation): Promise<Figures> {
  for (let i = 0; i < PROBE_COMMITS; i++) await store.commit([put()])
  const before = store.bytesWritten?.()['recordBytesWritten'] ?? 0
  let onThread = 0
  for (let i = 0; i < PROBE_COMMITS; i++) {
    const operations = [put()]
    let turned = false
    const turn = setImmediate(() => {
      turned = true
    })
    await store.commit(operations)
    clearImmediate(turn)
    if (!turned) onThread += 1
  }
  return {
    'probe.bytes': ((store.bytesWritten?.()['recordBytesWritten'] ?? 0) - before) / PROBE_COMMITS,
    'probe.onThread': onThread / PROBE_COMMITS,
  }
}
