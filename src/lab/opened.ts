/**
 * A store as the lab uses it: one shape for all, every wait bounded, every answer held against what the interface says.
 * What breaks it is a LabError that names the adapter's function.
 */
import type {
  CommitOptions,
  Entry,
  OpenedStore,
  OpenOptions,
  Operation,
  Reads,
  ScanOptions,
  Store,
} from './api.ts'
import { LabError, messageOf } from './lab-error.ts'
import { within } from './within.ts'

/** An operation, an opening or a close that takes longer counts as one that hangs. */
const MOST_MS = 30_000

/** Most entries that one scan may give: what a store goes on to give without an end has to be noticed. */
const MOST_ENTRIES = 10_000_000

export type Bytes = [key: Buffer, value: Buffer]

export class OpenReads {
  readonly #reads: Reads

  constructor(reads: Reads) {
    this.#reads = reads
  }

  get scans(): boolean {
    return this.#reads.scan !== undefined
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    const value: unknown = await within(MOST_MS, 'get()', this.#reads.get(key))
    if (value === undefined || value === null) return undefined
    return bytesOf(value, 'get()')
  }

  /** All entries asked for. Throws LabError where the store has no `scan`. */
  async scan(options: ScanOptions = {}): Promise<Bytes[]> {
    const { scan } = this.#reads
    if (scan === undefined) throw new LabError('there is no scan()')
    const found: unknown = await within(MOST_MS, 'scan()', scan.call(this.#reads, options) as unknown)
    const entries: Bytes[] = []
    const iterator = iteratorOf(found)
    for (;;) {
      const step = await within(MOST_MS, 'the next entry of scan()', iterator.next())
      if (step.done === true) return entries
      entries.push(entryOf(step.value))
      if (entries.length > MOST_ENTRIES) throw new LabError(`scan() gave more than ${MOST_ENTRIES} entries`)
    }
  }
}

export class Opened extends OpenReads {
  readonly #store: OpenedStore
  #closed = false

  constructor(store: OpenedStore) {
    super(store)
    this.#store = store
  }

  /** Commits, or puts or deletes where the store has no `commit`: then one operation alone. */
  async write(operations: readonly Operation[], options: CommitOptions): Promise<void> {
    const store = this.#store
    if (store.commit !== undefined) {
      await within(MOST_MS, 'commit()', store.commit(operations, options))
      return
    }
    for (const { key, value } of operations) {
      if (value === undefined) await within(MOST_MS, 'delete()', store.delete?.(key, options))
      else await within(MOST_MS, 'put()', store.put?.(key, value, options))
    }
  }

  get snapshots(): boolean {
    return this.#store.snapshot !== undefined
  }

  /** Throws LabError where the store has no `snapshot`. */
  async snapshot(): Promise<{ reads: OpenReads; close(): Promise<void> }> {
    const store = this.#store
    if (store.snapshot === undefined) throw new LabError('there is no snapshot()')
    const snapshot = await within(MOST_MS, 'snapshot()', store.snapshot())
    requireFunctions(snapshot, ['get', 'close'], 'what snapshot() gave')
    return {
      reads: new OpenReads(snapshot),
      close: async () => within(MOST_MS, 'close() of the snapshot', snapshot.close()),
    }
  }

  /** Once; later calls do nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await within(MOST_MS, 'close()', this.#store.close())
  }
}

/** Opens a store. Throws LabError for what it gives that is no open store. */
export async function openStoreOf(
  store: Store,
  folder: string,
  options: Partial<OpenOptions> = {},
): Promise<Opened> {
  const all = { settings: {}, cacheBytes: 16 * 1024 * 1024, ...options }
  return new Opened(await openedBy(store, folder, all))
}

/** What a store's `open` gives, without anything around it. Throws LabError for what is no open store. */
export async function openedBy(store: Store, folder: string, options: OpenOptions): Promise<OpenedStore> {
  const opened: unknown = await within(MOST_MS, 'open()', store.open(folder, options))
  requireFunctions(opened, ['get', 'close'], 'what open() gave')
  const { commit, put, delete: remove } = opened as Partial<OpenedStore>
  const writes = typeof commit === 'function' || (typeof put === 'function' && typeof remove === 'function')
  if (!writes) throw new LabError('what open() gave has neither commit() nor both put() and delete()')
  if (store.capabilities.transactions && typeof commit !== 'function') {
    throw new LabError('the store promises transactions, and what open() gave has no commit()')
  }
  if (store.capabilities.orderedScans && typeof (opened as Partial<OpenedStore>).scan !== 'function') {
    throw new LabError('the store promises orderedScans, and what open() gave has no scan()')
  }
  return opened as OpenedStore
}

function requireFunctions(value: unknown, names: readonly string[], what: string): void {
  if (typeof value !== 'object' || value === null)
    throw new LabError(`${what} is ${kindOf(value)}, no object`)
  for (const name of names) {
    const found = (value as Record<string, unknown>)[name]
    if (typeof found !== 'function') throw new LabError(`${what} has no function ${name}()`)
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value
}

function bytesOf(value: unknown, what: string): Buffer {
  if (!(value instanceof Uint8Array))
    throw new LabError(`${what} gave a ${kindOf(value)} where bytes were due`)
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function entryOf(value: unknown): Bytes {
  if (!Array.isArray(value) || value.length !== 2) {
    throw new LabError('scan() gave an entry that is no [key, value]')
  }
  const [key, content] = value as unknown as Entry
  return [bytesOf(key, 'scan()'), bytesOf(content, 'scan()')]
}

function iteratorOf(found: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  const iterable = found as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined
  if (typeof iterable === 'object' && iterable !== null) {
    const inTurns = iterable[Symbol.asyncIterator]
    if (typeof inTurns === 'function') return inTurns.call(iterable)
    const atOnce = iterable[Symbol.iterator]
    if (typeof atOnce === 'function') return atOnce.call(iterable)
  }
  throw new LabError(`scan() gave ${kindOf(found)}, nothing to go over`)
}

/** Runs `work` on a store that is closed at its end; an error of `work` is the one that is told. */
export async function withOpened<T>(
  store: Store,
  folder: string,
  options: Partial<OpenOptions>,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const opened = await openStoreOf(store, folder, options)
  let result: T
  try {
    result = await work(opened)
  } catch (error) {
    await opened.close().catch(messageOf)
    throw error
  }
  await opened.close()
  return result
}
