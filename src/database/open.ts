/** Making and opening the file of a database. */
import {
  openStore,
  removeUselessNewFile,
  type Store,
  type StoreOptions,
} from '../../native-free-btree/index.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import type { Compression } from '../base/compression.ts'
import { DatabaseError } from '../base/errors.ts'
import { type Metrics, UNASKED } from '../base/metrics.ts'
import { type RandomBytes, randomHex, systemRandom } from '../base/random.ts'
import { StoredDatabase, type StoredParts } from './database.ts'
import { awaiting, databaseErrorOf } from './errors/layer-errors.ts'
import { LAYOUT_VERSION } from './layout/layout.ts'
import {
  type DatabaseProperties,
  type DatabaseRecord,
  readRecord,
  writeRecord,
} from './layout/meta-records.ts'
import { TREE_OPTIONS } from './layout/tree-options.ts'

const UUID_BYTES = 16
const MICROSECONDS = 1000

export interface DatabaseOptions {
  /** Handed to the engine: file system, cache and the like. */
  store?: Omit<StoreOptions, 'create' | 'readOnly' | 'trees' | 'clock' | 'random'> | undefined
  clock?: Clock | undefined
  random?: RandomBytes | undefined
  /** Takes what is counted. Default: nobody asks. */
  metrics?: Metrics | undefined
  /** Why documents may not be written now: the disk has no room. Undefined: they may. */
  refusal?: (() => string | undefined) | undefined
  /** Of bodies that are written from now on. Default: none. */
  compression?: (() => Compression) | undefined
  /** Bytes from which a partition is full, as they are set now; 0: none is. Default: 0. */
  maxPartitionBytes?: (() => number) | undefined
  /** The engine's `openStore`, or a stand-in for it. */
  openStore?: typeof openStore | undefined
}

/** Of a checkpoint's nodes, between one `_bulk_docs` and the next: a millisecond or two, for which whoever comes meanwhile waits. */
const AHEAD_BYTES = 1024 * 1024

async function open(path: string, create: boolean, options: DatabaseOptions): Promise<Store> {
  const engine = options.openStore ?? openStore
  return awaiting(
    engine(path, {
      aheadBytes: AHEAD_BYTES,
      ...options.store,
      create,
      trees: TREE_OPTIONS,
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
    }),
  )
}

function partsOf({
  random = systemRandom,
  clock = systemClock,
  metrics = UNASKED,
  refusal = () => undefined,
  compression = () => 'none',
  maxPartitionBytes = () => 0,
}: DatabaseOptions): StoredParts {
  return { random, clock, metrics, refusal, compression, maxPartitionBytes }
}

/** Closes the store when the database cannot be made from it. */
async function withStore(
  store: Store,
  make: () => StoredDatabase | Promise<StoredDatabase>,
): Promise<StoredDatabase> {
  try {
    return await make()
  } catch (error) {
    await store.close()
    throw databaseErrorOf(error)
  }
}

/**
 * Opens a database that exists. Throws not_found when there is no file, or one whose creation was never
 * finished; storage_damaged for a layout that this code does not read.
 */
export async function openDatabase(
  path: string,
  name: string,
  options: DatabaseOptions = {},
): Promise<StoredDatabase> {
  const { metrics, clock = systemClock } = options
  const startMs = clock.monotonic()
  const store = await open(path, false, options)
  return withStore(store, async () => {
    // Whoever asks for counts next would have them wait for everything that a crash has left to be applied.
    await store.settled()
    const { fileSystem } = options.store ?? {}
    const given = { trees: TREE_OPTIONS, ...(fileSystem && { fileSystem }) }
    // One that stays is in nobody's way but the next compaction's, which says so.
    await removeUselessNewFile(store, given).catch(() => undefined)
    const record = readRecord(store, 'database')
    if (record === undefined) throw new DatabaseError('noDatabase')
    if (record.format !== LAYOUT_VERSION) {
      throw new DatabaseError('storageDamaged', `the layout ${record.format} of ${path} is not known`)
    }
    const database = new StoredDatabase(store, name, record as DatabaseRecord, partsOf(options))
    metrics?.observe('couchdb.db_open_time', clock.monotonic() - startMs, clock.now())
    return database
  })
}

/**
 * Makes a database; it is durable when this resolves. A file whose creation was never finished is taken over.
 * Throws file_exists when there is a database, and storage_unavailable when its file is open.
 */
export async function createDatabase(
  path: string,
  name: string,
  options: DatabaseOptions & { properties?: Partial<DatabaseProperties> | undefined } = {},
): Promise<StoredDatabase> {
  const store = await open(path, true, options)
  const record: DatabaseRecord = {
    format: LAYOUT_VERSION,
    uuid: randomHex(options.random ?? systemRandom, UUID_BYTES),
    instanceStartTime: String((options.clock ?? systemClock).now() * MICROSECONDS),
    properties: { partitioned: false, q: 1, n: 1, ...options.properties },
  }
  return withStore(store, async () => {
    if (readRecord(store, 'database') !== undefined) throw new DatabaseError('databaseExists')
    await store.transact((tx) => writeRecord(tx, 'database', record))
    return new StoredDatabase(store, name, record, partsOf(options))
  })
}
