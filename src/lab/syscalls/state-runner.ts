/** Puts states on a disk and lets the store open them, in processes that are used for many. */
import { accessSync, constants } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Lane } from '../crash/lanes.ts'
import { judgeStore } from '../crash/reading.ts'
import type { CrashSubject } from '../crash/subject.ts'
import { type Bounds, Wrong } from '../crash/verdict.ts'
import { messageOf } from '../lab-error.ts'
import type { StoreProcess } from '../pipe/store-process.ts'
import { type Choice, foldersOf, type Model, stateOf } from './models.ts'
import type { TracedTree } from './traced-tree.ts'

const MOST_OPENINGS = 200
const MEMORY_DISK = '/dev/shm'

export class StateRunner {
  readonly #subject: CrashSubject
  readonly #lanes: readonly Lane[]
  #base: string | undefined
  #process: StoreProcess | undefined
  #openings = 0
  #states = 0

  constructor(subject: CrashSubject, lanes: readonly Lane[]) {
    this.#subject = subject
    this.#lanes = lanes
  }

  /** What is wrong with a state; undefined when nothing is. A wrong one is tried again in a new process. */
  async check(
    tree: TracedTree,
    model: Model,
    fates: Choice,
    bounds: readonly Bounds[],
  ): Promise<Wrong | undefined> {
    const isNew = this.#process === undefined
    const wrong = await this.#try(tree, model, fates, bounds)
    if (wrong === undefined || isNew) return wrong
    return this.#try(tree, model, fates, bounds)
  }

  async #try(
    tree: TracedTree,
    model: Model,
    fates: Choice,
    bounds: readonly Bounds[],
  ): Promise<Wrong | undefined> {
    this.#base ??= await mkdtemp(join(placeOfStates(), 'davenport-lab-states-'))
    const folder = join(this.#base, String(this.#states++))
    await lay(tree, model, fates, folder, this.#subject.introduction.rebuiltFiles ?? [])
    const process = this.#process ?? this.#subject.start()
    this.#process = process
    this.#openings += 1
    let wrong: Wrong | undefined
    try {
      await this.#judge(process, folder, bounds)
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      wrong = error
    }
    const isUsedUp = !this.#subject.reopens || this.#openings >= MOST_OPENINGS
    if (wrong !== undefined || isUsedUp) await this.#drop()
    await rm(folder, { recursive: true, force: true })
    return wrong
  }

  async #judge(process: StoreProcess, folder: string, bounds: readonly Bounds[]): Promise<void> {
    const open = () => this.#subject.open(process, folder, this.#subject.reopens)
    const opened = await open().catch((error: unknown) => {
      throw new Wrong('not opened', messageOf(error))
    })
    await judgeStore(opened, this.#subject.introduction.capabilities, this.#lanes, bounds)
    await opened.close().catch((error: unknown) => {
      throw new Wrong('not read', `close: ${messageOf(error)}`)
    })
  }

  async #drop(): Promise<void> {
    await this.#process?.kill()
    this.#process = undefined
    this.#openings = 0
  }

  async close(): Promise<void> {
    await this.#drop()
    if (this.#base !== undefined) await rm(this.#base, { recursive: true, force: true })
  }
}

/** Where there is one, a disk in memory: what a state's syncs wait for says nothing. */
function placeOfStates(): string {
  try {
    accessSync(MEMORY_DISK, constants.W_OK)
    return MEMORY_DISK
  } catch {
    return tmpdir()
  }
}

/** Writes a state into a new folder. Files that the store makes anew are left out. */
async function lay(
  tree: TracedTree,
  model: Model,
  fates: Choice,
  folder: string,
  rebuiltFiles: readonly string[],
): Promise<void> {
  await mkdir(folder)
  const placeOf = (path: string) => join(folder, path.slice(tree.root.path.length))
  for (const path of foldersOf(tree, fates)) await mkdir(placeOf(path))
  for (const [path, { image }] of stateOf(tree, model, fates)) {
    if (rebuiltFiles.some((end) => path.endsWith(end))) continue
    await mkdir(dirname(placeOf(path)), { recursive: true })
    await writeFile(placeOf(path), image.slice(0, image.length))
  }
}
