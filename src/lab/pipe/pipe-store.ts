/** A store behind a pipe, as any other store. */
import type { CommitOptions, Entry, OpenedStore, OpenOptions, Operation, ScanOptions, Store } from '../api.ts'
import { LabError } from '../lab-error.ts'
import { storeIn } from '../store-shape.ts'
import { PROTOCOL, rowsOf } from './protocol.ts'
import { type ProcessOptions, StoreProcess } from './store-process.ts'

/** Entries asked for at once, where they come in order. */
const PAGE_ENTRIES = 500

/** What a process said of its store. */
export type Introduction = Omit<Store, 'open'>

/** Asks a process what store it has. Rejects with LabError for what it says that is none. */
export async function introduce(process: StoreProcess): Promise<Introduction> {
  const { name, version, capabilities, rebuiltFiles, keepsNothing } = await process.ask({
    do: 'hello',
    protocol: PROTOCOL,
  })
  const open = () => {
    throw new LabError('it is opened by its process')
  }
  const said = { name, version, capabilities, rebuiltFiles, keepsNothing: keepsNothing === true, open }
  return storeIn(said, 'what the process said')
}

/** Lets a process open its store. It ends when the store is closed, unless it `staysOpen` for another. */
export async function openIn(
  process: StoreProcess,
  { capabilities }: Introduction,
  folder: string,
  { settings, cacheBytes }: Pick<OpenOptions, 'settings' | 'cacheBytes'>,
  staysOpen = false,
): Promise<PipeStore> {
  const { scan } = await process.ask({ do: 'open', folder, settings, cacheBytes })
  return new PipeStore(process, capabilities.orderedScans, scan === true, staysOpen)
}

/** An open store in a process. */
export class PipeStore implements OpenedStore {
  readonly #process: StoreProcess
  readonly #isOrdered: boolean
  readonly #staysOpen: boolean
  readonly scan?: (options: ScanOptions) => AsyncIterable<Entry>

  constructor(process: StoreProcess, isOrdered: boolean, scans: boolean, staysOpen: boolean) {
    this.#staysOpen = staysOpen
    this.#process = process
    this.#isOrdered = isOrdered
    if (scans || isOrdered) this.scan = (options) => this.#pages(options)
  }

  async commit(operations: readonly Operation[], { durable }: CommitOptions): Promise<void> {
    await this.#process.ask({ do: 'commit', durable, ops: rowsOf(operations, this.#process.format) })
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    const { format } = this.#process
    const { value } = await this.#process.ask({ do: 'get', key: format.toWire(key) })
    if (value === null || value === undefined) return undefined
    const bytes = format.fromWire(value)
    if (bytes === undefined) throw new LabError('get answered with a value that is no bytes')
    return bytes
  }

  async *#pages({ start, limit = Number.POSITIVE_INFINITY }: ScanOptions): AsyncGenerator<Entry, void, void> {
    let from = start
    for (let left = limit; left > 0; ) {
      const asked = this.#isOrdered ? Math.min(left, PAGE_ENTRIES) : left
      const page = await this.#page(from, Number.isFinite(asked) ? asked : undefined)
      yield* page
      left -= page.length
      const last = page.at(-1)
      if (last === undefined || !this.#isOrdered || page.length < asked) return
      from = Buffer.concat([last[0], Buffer.alloc(1)])
    }
  }

  async #page(start: Buffer | undefined, limit: number | undefined): Promise<[Buffer, Buffer][]> {
    const { format } = this.#process
    const { entries } = await this.#process.ask({
      do: 'scan',
      ...(start === undefined ? {} : { start: format.toWire(start) }),
      ...(limit === undefined ? {} : { limit }),
    })
    if (!Array.isArray(entries)) throw new LabError('scan answered without a list of entries')
    return entries.map((entry: unknown) => {
      const [key, value] = Array.isArray(entry) ? (entry as unknown[]).map(format.fromWire) : []
      if (key === undefined || value === undefined) {
        throw new LabError('scan answered with an entry that is no pair of bytes')
      }
      return [key, value]
    })
  }

  async close(): Promise<void> {
    await this.#process.ask({ do: 'close' })
    if (!this.#staysOpen) await this.#process.end()
  }
}

/** The store that a program has. Starts it once to ask what it is, and again for each opening. */
export async function pipeStore(options: ProcessOptions): Promise<Store> {
  const asked = new StoreProcess(options)
  const introduction = await introduce(asked).finally(() => asked.end())
  return {
    ...introduction,
    async open(folder, given) {
      const process = new StoreProcess(options)
      try {
        return await openIn(process, await introduce(process), folder, given)
      } catch (error) {
        await process.kill()
        throw error
      }
    },
  }
}
