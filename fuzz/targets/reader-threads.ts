/**
 * Readers in threads of their own beside the writer, on a real file; an event is some commits, a checkpoint, or the
 * writer's closing and opening. Invariants: those of `readers`, with real reads and real time.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { openStore, type Store } from '../../native-free-btree/index.ts'
import { EMPTY_VERSION, markerOf, runPlan, type Version } from '../../test/support/crash-model.ts'
import type { Random } from '../../test/support/random.ts'
import { TEST_TREES } from '../../test/support/test-trees.ts'
import { inDataFolder } from '../data-folder.ts'
import { planVersion, SHARED, type ThreadData } from '../readers/thread-versions.ts'
import type { Script } from '../script.ts'
import { playerOf, type Target } from '../target.ts'

const THREADS = 4
const CHECKPOINT_BYTES = 64 * 1024

/** The writer, which says in the shared numbers how far it is. */
class SharedWriter {
  readonly #data: ThreadData
  #store: Store | undefined
  #version: Version = EMPTY_VERSION

  constructor(data: ThreadData) {
    this.#data = data
  }

  async open(): Promise<void> {
    this.#store = await openStore(this.#data.path, {
      trees: TEST_TREES,
      checkpointLogBytes: CHECKPOINT_BYTES,
      partBytes: 6000,
      roomBytes: 12_000,
    })
    const marker = markerOf(this.#store)
    if (marker !== this.#version.marker) throw new Error(`the writer found version ${marker}`)
  }

  async close(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
  }

  async play(random: Random): Promise<void> {
    const kind = random.int(10)
    if (kind === 0) {
      await this.close()
      await this.open()
    } else if (kind === 1) {
      await this.#store!.checkpoint()
    }
    for (let i = 0; i < 20; i++) await this.#commits(random.pick([1, 1, 2, 4]))
  }

  async #commits(count: number): Promise<void> {
    const { seed, shared } = this.#data
    const all: Promise<void>[] = []
    for (let i = 0; i < count; i++) {
      const plan = planVersion(seed, this.#version)
      this.#version = plan.version
      const { marker } = plan.version
      Atomics.store(shared, SHARED.submitted, marker)
      all.push(
        this.#store!.transact((tx) => runPlan(plan, tx)).then(() => {
          Atomics.store(shared, SHARED.acknowledged, marker)
        }),
      )
    }
    await Promise.all(all)
  }
}

async function play(script: Script, folder: string): Promise<void> {
  const shared = new Int32Array(new SharedArrayBuffer(4 * SHARED.length))
  const data: ThreadData = { path: join(folder, 'store'), seed: script.seed, shared }
  const writer = new SharedWriter(data)
  await writer.open()
  let failed: Error | undefined
  const ended: Promise<void>[] = []
  for (let i = 0; i < THREADS; i++) {
    const thread = new Worker(new URL('../readers/thread.js', import.meta.url), { workerData: data })
    thread.on('error', (error) => {
      failed ??= error as Error
    })
    ended.push(new Promise((resolve) => thread.on('exit', () => resolve())))
  }
  try {
    for (const random of script.events()) {
      await writer.play(random)
      if (failed !== undefined) throw failed
    }
  } finally {
    Atomics.store(shared, SHARED.stops, 1)
    await Promise.all(ended)
    await writer.close()
    script.coverage.count('commits', Atomics.load(shared, SHARED.acknowledged))
    script.coverage.count('refreshes', Atomics.load(shared, SHARED.refreshes))
    script.coverage.count('readersMovedOn', Atomics.load(shared, SHARED.movedOn))
  }
  if (failed !== undefined) throw failed
}

export const readerThreads: Target = {
  name: 'reader-threads',
  summary: 'readers in threads of their own beside a writer, on a real file',
  caseEvents: 60,
  smokeEvents: 40,
  rarePaths: ['commits', 'refreshes', 'readersMovedOn'],
  repeats: false,
  open: playerOf((script) => inDataFolder((folder) => play(script, folder))),
}
