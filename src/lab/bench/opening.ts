/** Opening a store in a new process each time: after a close, and after a kill amid updates. */
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../base/clock.ts'
import { messageOf } from '../lab-error.ts'
import { storeSource } from '../load-store.ts'
import { Documents } from '../measure/documents.ts'
import { groupFigures } from '../measure/process-group.ts'
import { median } from '../measure/statistics.ts'
import { introduce, openIn, type PipeStore } from '../pipe/pipe-store.ts'
import { programOf } from '../pipe/program-of.ts'
import { ProcessEnded, StoreProcess } from '../pipe/store-process.ts'
import { derivedSeed, Random } from '../random.ts'
import type { Job, RunResult } from './job.ts'
import { updateSource } from './own.ts'
import { Recorder } from './recorder.ts'

/** Between a victim's first update and its end. */
const LEAST_LIFE_MS = 50

interface Started {
  readonly process: StoreProcess
  readonly store: PipeStore
  readonly openMs: number
}

/** The process has loaded the store before the clock runs. */
async function start({ words, settings, folder, cacheBytes }: Job): Promise<Started> {
  const process = new StoreProcess(programOf(storeSource(words)))
  try {
    const introduction = await introduce(process)
    const asked = systemClock.monotonic()
    const store = await openIn(process, introduction, folder, { settings, cacheBytes }, true)
    return { process, store, openMs: systemClock.monotonic() - asked }
  } catch (error) {
    await process.kill()
    throw error
  }
}

/**
 * Opens the store `times` times, each time in a new process, and asks for one document that was loaded.
 * @param before what happens to the store before each of them.
 */
export async function openings(
  job: Job,
  times: number,
  before: (number: number) => Promise<void>,
  progress: (done: number) => void,
): Promise<RunResult> {
  const recorder = new Recorder()
  const [opens, reads, cpu, memory]: number[][] = [[], [], [], []]
  const made = new Documents(job.seed)
  for (let number = 0; number < times; number++) {
    await before(number)
    const { process, store, openMs } = await start(job)
    try {
      const asked = systemClock.monotonic()
      const value = await store.get(made.id(number % job.records))
      if (value === undefined) throw new Error('a document that had been loaded is not there')
      reads!.push(systemClock.monotonic() - asked)
      opens!.push(openMs)
      recorder.add('open', openMs, 0, 1)
      const used = groupFigures(process.pid)
      cpu!.push(used.cpuUs)
      memory!.push(used.peakMemoryBytes)
      await store.close()
      await process.end()
    } finally {
      await process.kill()
    }
    progress((number + 1) / times)
  }
  const figures = {
    openMs: median(opens!),
    firstReadMs: median(reads!),
    cpuUs: median(cpu!),
    peakMemoryBytes: median(memory!),
  }
  return { figures, latencies: recorder.latencies(), buckets: [] }
}

/** Updates in a process that is killed in the midst of them; without `transactions` one at a time. */
export async function killAmidUpdates(job: Job, number: number, transactions: boolean): Promise<void> {
  const random = new Random(derivedSeed(job.seed, number))
  const source = updateSource(job)
  const { process, store } = await start(job)
  try {
    let isOver = false
    const updating = (async () => {
      while (!isOver) {
        const action = source.next()
        if (!('operations' in action)) return
        if (transactions) await store.commit(action.operations, { durable: true })
        else for (const each of action.operations) await store.commit([each], { durable: true })
      }
    })().catch((error: unknown) => {
      if (!(isOver && error instanceof ProcessEnded)) throw new Error(`amid updates: ${messageOf(error)}`)
    })
    const most = Math.max(LEAST_LIFE_MS, job.seconds * 1000)
    await Promise.race([delay(LEAST_LIFE_MS + random.int(most - LEAST_LIFE_MS)), updating])
    isOver = true
    await process.kill()
    await updating
  } finally {
    await process.kill()
  }
}
