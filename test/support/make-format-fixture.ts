/**
 * Makes the files that test/fixtures keeps of the store's format. Run as a program it writes them; the same sources give
 * the same bytes on every platform, since time, randomness and the order of all steps are fixed. A change of these bytes
 * is a change of the format, which is final, or of what the writer makes of it: then new files are kept beside the old
 * ones, which stay readable by test.
 */
import { copyFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type Comparator,
  openStore,
  type Reducer,
  type Store,
  type StoreOptions,
  type TreeOptions,
} from '../../native-free-btree/index.ts'
import { Random } from './random.ts'
import { SimulatedClock, seededRandomBytes } from './simulated-clock.ts'

export const CLOSED_FIXTURE = 'store-v1.nfb'
export const UNCLOSED_FIXTURE = 'store-v1-unclosed.nfb'

const SEED = 20_240_229
const REFERENCE_BYTES = 16
const STREAMED_BYTES = 132_000

/** Shorter keys first, those of one length bytewise. */
export const byLength: Comparator = {
  name: 'length-then-bytes',
  version: 3,
  compare: (a, b) => a.length - b.length || Buffer.compare(a, b),
}

/** Adds up how long the values are and keeps the longest: 12 bytes, the sum as u64 and the longest as u32. */
export const valueLengths: Reducer = {
  name: 'value-lengths',
  version: 2,
  maxBytes: 12,
  map: (_key, value) => lengths(BigInt(value.length), value.length),
  combine(parts) {
    let sum = 0n
    let longest = 0
    for (const part of parts) {
      const view = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
      sum += view.readBigUInt64LE(0)
      longest = Math.max(longest, view.readUInt32LE(8))
    }
    return lengths(sum, longest)
  },
}

function lengths(sum: bigint, longest: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64LE(sum, 0)
  bytes.writeUInt32LE(longest, 8)
  return bytes
}

/** A value of the tree `files` is a reference and nothing else. */
const references = (value: Uint8Array): Iterable<Uint8Array> => [value.subarray(0, REFERENCE_BYTES)]

export const FIXTURE_TREES: Record<string, TreeOptions> = {
  words: {},
  sized: { comparator: byLength },
  measured: { reducer: valueLengths },
  files: { references },
  empty: {},
}

/** Made by the second opening of the file only. */
export const LATER_TREES: Record<string, TreeOptions> = { ...FIXTURE_TREES, später: { comparator: byLength } }

/** The lock that a test's store takes: none. */
export const noLock = async () => ({ release: async () => {} })

class FixtureWriter {
  readonly random = new Random(SEED)
  readonly clock = new SimulatedClock(1_709_164_800_000)
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  open(options: StoreOptions): Promise<Store> {
    return openStore(this.#path, {
      lock: noLock,
      clock: this.clock,
      random: seededRandomBytes(this.random),
      checkpointLogBytes: 12 * 1024,
      roomBytes: 0,
      ...options,
    })
  }

  text(from: number, to: number): Buffer {
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const length = this.random.between(from, to)
    return Buffer.from(Array.from({ length }, () => letters.charCodeAt(this.random.int(26))))
  }

  /** One commit: puts into three trees, inline and out of line, and deletes. */
  async commit(store: Store, round: number): Promise<void> {
    this.clock.advance(7)
    await store.transact((tx) => {
      for (let i = 0; i < 12; i++) {
        tx.put('words', Buffer.from(`word-${this.random.int(400)}`), this.text(0, 60))
        tx.put('sized', this.text(1, 9), Buffer.from(`${round}.${i}`))
        tx.put('measured', this.text(2, 3), this.text(0, i === 3 ? 700 : 40))
      }
      for (let i = 0; i < 4; i++) tx.delete('words', Buffer.from(`word-${this.random.int(400)}`))
      tx.put('words', Buffer.from('256'), Buffer.alloc(256, round))
      tx.put('words', Buffer.from('257'), Buffer.alloc(257, round))
      tx.put('files', Buffer.from(`appended-${round}`), tx.append(this.text(10, 300)))
    })
  }

  /** A value in chunks, and the commit that refers to it. */
  async stream(store: Store): Promise<void> {
    const bytes = Buffer.alloc(STREAMED_BYTES, this.text(997, 997))
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 40_000) yield bytes.subarray(at, at + 40_000)
    }
    const reference = await store.appendStream(source())
    await store.transact((tx) => tx.put('files', Buffer.from('streamed'), reference))
  }

  /** Transactions that arrive together share a group; the second changes what the first wrote. */
  async together(store: Store): Promise<void> {
    await Promise.all([
      store.transact((tx) => tx.put('words', Buffer.from('shared'), Buffer.from('first'))),
      store.transact((tx) => tx.put('words', Buffer.from('shared'), Buffer.from('second'))),
    ])
  }

  /** After a second without work a superblock is written; another commit follows it. */
  async idle(store: Store): Promise<void> {
    this.clock.advance(5000)
    await this.commit(store, 24)
  }

  /** Keys and values at the edges of what the format holds. */
  async edges(store: Store): Promise<void> {
    await store.transact((tx) => {
      tx.put('words', Buffer.alloc(0), Buffer.from('the empty key'))
      tx.put('words', Buffer.from('nothing'), Buffer.alloc(0))
      tx.put('später', Buffer.alloc(65_536, 0x6b), Buffer.from('the longest key'))
      tx.put('später', Buffer.from('kurz'), Buffer.alloc(0))
      tx.put('files', Buffer.from('of nothing'), tx.append(Buffer.alloc(0)))
      tx.put('empty', Buffer.from('gone'), Buffer.from('soon'))
      tx.delete('empty', Buffer.from('gone'))
    })
  }
}

/** Two openings, both closed in good order; commits follow the checkpoint that each of them completes. */
async function makeClosed(path: string): Promise<void> {
  const writer = new FixtureWriter(path)
  const first = await writer.open({ trees: FIXTURE_TREES })
  for (let round = 0; round < 20; round++) await writer.commit(first, round)
  await writer.stream(first)
  // A close in the middle of a checkpoint would leave nodes behind that nothing names.
  await first.checkpoint()
  await writer.commit(first, 20)
  await first.close()
  const second = await writer.open({ trees: LATER_TREES })
  await writer.edges(second)
  await second.transact((tx) => {
    for (let i = 0; i < 500; i++) tx.put('words', Buffer.from(`more-${i}`), writer.text(20, 40))
  })
  await second.checkpoint()
  // Little enough for patches, of the leaf and of the node above it.
  await second.transact((tx) => tx.put('words', Buffer.from('word-7'), Buffer.from('alone')))
  await second.checkpoint()
  const eight = Buffer.from('more-8')
  await second.transact((tx) => tx.put('words', eight, tx.get('words', eight)!.reverse()))
  await second.checkpoint()
  for (let round = 21; round < 24; round++) await writer.commit(second, round)
  await writer.together(second)
  await writer.idle(second)
  await second.close()
}

/** A file as it is found after the machine lost power behind an acknowledged commit. */
async function makeUnclosed(path: string): Promise<void> {
  const running = `${path}.running`
  const writer = new FixtureWriter(running)
  const store = await writer.open({ trees: FIXTURE_TREES })
  for (let round = 0; round < 17; round++) await writer.commit(store, round)
  await copyFile(running, path)
  await store.close()
  await rm(running)
}

/** Writes all fixtures into `folder`, which holds none of them yet. */
export async function makeFixtures(folder: string): Promise<void> {
  await makeClosed(join(folder, CLOSED_FIXTURE))
  await makeUnclosed(join(folder, UNCLOSED_FIXTURE))
}

const program = process.argv[1]
if (program !== undefined && import.meta.url === pathToFileURL(resolve(program)).href) {
  const folder = resolve(process.argv[2] ?? join('test', 'fixtures'))
  for (const name of [CLOSED_FIXTURE, UNCLOSED_FIXTURE]) await rm(join(folder, name), { force: true })
  await makeFixtures(folder)
}
