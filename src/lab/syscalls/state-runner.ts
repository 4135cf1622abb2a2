/** Puts states on a disk and lets the store open them, in processes that are used for many. */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lane } from '../crash/lanes.ts'
import { judgeStore } from '../crash/reading.ts'
import type { CrashSubject } from '../crash/subject.ts'
import { type Bounds, Wrong } from '../crash/verdict.ts'
import { messageOf } from '../lab-error.ts'
import type { StoreProcess } from '../pipe/store-process.ts'
import { type BuiltState, layState } from './built-state.ts'

const MOST_OPENINGS = 500
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

  /**
   * What is wrong with a state; undefined when nothing is. A wrong one is tried again in a new process, unless it goes
   * wrong in a way that `isKnown`.
   */
  async check(
    state: BuiltState,
    bounds: readonly Bounds[],
    isKnown: (wrong: Wrong) => boolean = () => false,
  ): Promise<Wrong | undefined> {
    const isNew = this.#process === undefined
    const wrong = await this.#try(state, bounds)
    if (wrong === undefined || isKnown(wrong)) return wrong
    await this.#drop()
    return isNew ? wrong : this.#try(state, bounds)
  }

  async #try(state: BuiltState, bounds: readonly Bounds[]): Promise<Wrong | undefined> {
    this.#base ??= mkdtempSync(join(placeOfStates(), 'davenport-lab-states-'))
    const folder = join(this.#base, String(this.#states++))
    layState(state, folder)
    const process = this.#process ?? this.#subject.start()
    this.#process = process
    this.#openings += 1
    let wrong: Wrong | undefined
    try {
      await this.#judge(process, folder, bounds)
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      wrong = new Wrong(error.kind, error.what.replaceAll(folder, 'FOLDER'))
    }
    if (!this.#subject.reopens || process.hasEnded || this.#openings >= MOST_OPENINGS) await this.#drop()
    rmSync(folder, { recursive: true, force: true })
    return wrong
  }

  async #judge(process: StoreProcess, folder: string, bounds: readonly Bounds[]): Promise<void> {
    const open = () => this.#subject.open(process, folder, this.#subject.reopens)
    const opened = await open().catch((error: unknown) => {
      throw new Wrong('not opened', messageOf(error))
    })
    try {
      await judgeStore(opened, this.#subject.introduction.capabilities, this.#lanes, bounds)
    } catch (error) {
      // Whoever cannot be closed opens no other state.
      await opened.close().catch(() => process.kill())
      throw error
    }
    await opened.close().catch(async (error: unknown) => {
      await process.kill()
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
    if (this.#base !== undefined) rmSync(this.#base, { recursive: true, force: true })
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
