/** The store that is being broken, in a process of its own, as often as it is started. */
import type { OpenOptions } from '../api.ts'
import { LabError } from '../lab-error.ts'
import { type StoreSource, storeSource } from '../load-store.ts'
import { Opened } from '../opened.ts'
import type { PipeFormat } from '../pipe/format.ts'
import { type Introduction, introduce, openIn } from '../pipe/pipe-store.ts'
import { programOf } from '../pipe/program-of.ts'
import { type Program, StoreProcess } from '../pipe/store-process.ts'

export type Settings = OpenOptions['settings']

const CACHE_BYTES = 4 * 1024 * 1024

/** Node's own ring of system calls would hide from a trace what is written by it. */
const ENVIRONMENT = { UV_USE_IO_URING: '0' }

export interface Running {
  readonly process: StoreProcess
  readonly opened: Opened
}

export class CrashSubject {
  /** What stood behind `--store`. */
  readonly words: string
  readonly settings: Settings
  readonly introduction: Introduction
  /** Whether one process may open one folder after another. */
  readonly reopens: boolean
  readonly #program: Required<Program>

  private constructor(
    words: string,
    settings: Settings,
    introduction: Introduction,
    program: Required<Program>,
    reopens: boolean,
  ) {
    this.reopens = reopens
    this.words = words
    this.settings = settings
    this.introduction = introduction
    this.#program = program
  }

  /** Asks the store what it is. Rejects with LabError for one that no crash can be tried on. */
  static async of(words: string, settings: Settings): Promise<CrashSubject> {
    const source: StoreSource = storeSource(words)
    const program = programOf(source)
    const process = new StoreProcess({ ...program, environment: ENVIRONMENT })
    const introduction = await introduce(process).finally(() => process.end())
    if (introduction.keepsNothing === true)
      throw new LabError(`${introduction.name} keeps nothing: there is no crash to try`)
    return new CrashSubject(words, settings, introduction, program, source.kind !== 'command')
  }

  /** What its processes speak. */
  get format(): PipeFormat {
    return this.#program.format
  }

  get name(): string {
    return [this.introduction.name, this.introduction.version].filter((word) => word !== undefined).join(' ')
  }

  /** Starts a process; `under` is a program with its words that is to run it. */
  start(under: readonly string[] = []): StoreProcess {
    const { command, format } = this.#program
    return new StoreProcess({ command: [...under, ...command], format, environment: ENVIRONMENT })
  }

  /** Lets a process open the store in `folder`; it ends with the store's close unless it `staysOpen`. */
  async open(process: StoreProcess, folder: string, staysOpen = false): Promise<Opened> {
    const given = { settings: this.settings, cacheBytes: CACHE_BYTES }
    return new Opened(await openIn(process, this.introduction, folder, given, staysOpen))
  }
}
