/**
 * Files damaged at rest. Whatever a store made of one may give is an error that names the damage, or exactly
 * the bytes that were written. Only a file whose writer was killed may lose what nothing that is left in the
 * file vouches for (the last commit, unless the damage took those behind it as well), and then the report of
 * the opening says that something was cut.
 */
import {
  GROUP,
  GROUP_HEADER_BYTES,
  GROUP_MAGIC,
  SUPERBLOCK,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_POSITIONS,
} from '../../native-free-btree/format.ts'
import { StorageError, type Store } from '../../native-free-btree/index.ts'
import {
  cutFile,
  flipBit,
  misdirectWrite,
  staleWrite,
  swapBlocks,
  zeroRange,
} from '../../src/lab/disk/simulated-damage.ts'
import type { Random } from './random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { openSimulated, patternBytes } from './test-trees.ts'

const PATH = '/d/store'
const MUTATIONS_OF_ONE_FILE = 50

type Content = Map<string, { tree: string; key: Buffer; value: Buffer }>

interface Original {
  disk: SimulatedDisk
  bytes: Buffer
  /** By the number of the commit: what the store held, and where its group ended. */
  contents: Content[]
  ends: number[]
  /** Appended bytes that only a reference names. */
  reference: Buffer
  appended: Buffer
}

/** A file with everything in it: several trees, checkpoints, parts, streams, deletions. */
async function original(random: Random, closed: boolean): Promise<Original> {
  const disk = new SimulatedDisk(random.fork())
  const clock = new SimulatedClock()
  const store = await openSimulated(disk, PATH, random, { partBytes: 8000, clock })
  const content: Content = new Map()
  const contents = [new Map()]
  const ends = [store.stats().fileBytes]
  async function* pieces() {
    for (let i = 0; i < 3; i++) yield patternBytes(99, 140_000).subarray(i * 46_000, (i + 1) * 46_000)
  }
  const reference = Buffer.from(await store.appendStream(pieces()))
  const appended = patternBytes(99, 140_000).subarray(0, 138_000)
  for (let commit = 0; commit < 40; commit++) {
    await store.transact((tx) => {
      for (let i = random.pick([3, 10, 40]); i > 0; i--) {
        const tree = random.pick(['plain', 'summed'])
        const key = Buffer.from(`key ${random.int(400)}`)
        const name = `${tree}/${key.toString()}`
        if (random.bool(0.2)) {
          tx.delete(tree, key)
          content.delete(name)
        } else {
          const value = patternBytes(random.next(), random.pick([0, 10, 100, 300, random.int(2000)]))
          tx.put(tree, key, value)
          content.set(name, { tree, key, value })
        }
      }
      tx.put('refs', Buffer.from(`r${commit}`), reference)
      content.set(`refs/r${commit}`, { tree: 'refs', key: Buffer.from(`r${commit}`), value: reference })
    })
    contents[store.commit] = new Map(content)
    ends[store.commit] = store.stats().fileBytes
    if (commit === 20) {
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(1500)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  if (closed) await store.close()
  return { disk, bytes: Buffer.from(disk.content(PATH)), contents, ends, reference, appended }
}

/** Damages the file in one place; says how. */
function mutate(disk: SimulatedDisk, random: Random): { kind: string; how: string } {
  const length = disk.inode(PATH).visible.length
  // Half of the damage goes to the ends, where the protocol lives.
  const place = () => {
    const kind = random.int(4)
    if (kind === 0) return random.int(Math.min(length, 8400))
    if (kind === 1) return Math.max(0, length - 1 - random.int(6000))
    return random.int(length)
  }
  const kind = random.int(6)
  if (kind === 0) {
    const at = place()
    flipBit(disk, PATH, at, random.int(8))
    return { kind: 'bitFlips', how: `bit flipped at ${at}` }
  }
  if (kind === 1) {
    const at = place()
    cutFile(disk, PATH, at)
    return { kind: 'cuts', how: `cut to ${at}` }
  }
  if (kind === 2) {
    const at = place()
    const bytes = random.pick([1, 64, 512, 4096, 20_000])
    zeroRange(disk, PATH, at, bytes)
    return { kind: 'zeroedBlocks', how: `${bytes} zeroed at ${at}` }
  }
  const size = random.pick([512, 4096])
  const blockOf = (position: number) => Math.floor(position / size) * size
  if (kind === 3) {
    const at = blockOf(place())
    staleWrite(disk, PATH, at, size)
    return { kind: 'staleWrites', how: `${size} at ${at} as before the last write` }
  }
  if (kind === 4) {
    const from = blockOf(place())
    const to = blockOf(place())
    misdirectWrite(disk, PATH, from, to, size)
    return { kind: 'misdirectedWrites', how: `${size} of ${from} written to ${to}` }
  }
  const blocks = Math.floor(length / size)
  const a = random.bool() ? random.int(blocks) : random.int(Math.min(blocks, 8192 / size))
  const b = random.bool() ? random.int(blocks) : blocks - 1 - random.int(3)
  if (a !== b && b >= 0) swapBlocks(disk, PATH, a * size, b * size, size)
  return { kind: 'exchangedBlocks', how: `blocks ${a} and ${b} of ${size} exchanged` }
}

type Verdict = 'right' | 'refused' | 'lost a commit'

function isPrecise(error: unknown): boolean {
  return error instanceof StorageError && ['DAMAGED', 'NOT_A_STORE'].includes(error.code)
}

/** Compares all that can be read; 'refused' when some of it was answered with an error. */
function compare(store: Store, { contents, reference, appended }: Original): Verdict {
  let verdict: Verdict = 'right'
  const attempt = (what: () => void) => {
    try {
      what()
    } catch (error) {
      if (!isPrecise(error)) throw error
      verdict = 'refused'
    }
  }
  const expected = contents[store.commit]
  if (expected === undefined) throw new Error(`the store shows commit ${store.commit}`)
  const snapshot = store.snapshot()
  for (const name of ['plain', 'summed', 'refs']) {
    const keys = new Set<string>()
    attempt(() => {
      const tree = snapshot.tree(name)
      const cursor = tree.cursor()
      while (cursor.next()) {
        const key = `${name}/${cursor.key().toString()}`
        keys.add(key)
        const entry = expected.get(key)
        if (entry === undefined) throw new Error(`${key} should not be there`)
        attempt(() => {
          if (!cursor.value().equals(entry.value)) throw new Error(`${key} has other bytes`)
        })
      }
      for (const [key, { tree: of }] of expected) {
        if (of === name && !keys.has(key)) throw new Error(`${key} is missing`)
      }
    })
    for (const [key, entry] of expected) {
      if (entry.tree !== name) continue
      attempt(() => {
        if (store.get(name, entry.key)?.equals(entry.value) !== true) throw new Error(`get of ${key}`)
      })
    }
  }
  attempt(() => {
    if (!store.read(reference).equals(appended)) throw new Error('the streamed value has other bytes')
  })
  snapshot.close()
  return store.commit < contents.length - 1 ? 'lost a commit' : verdict
}

/** Throws when a header or a superblock that the damage left whole says that more was durable than `end`. */
function assertNothingVouched(left: Buffer, { bytes }: Original, end: number): void {
  const isWhole = (at: number, length: number) =>
    bytes.subarray(at, at + length).equals(left.subarray(at, at + length))
  const evidence = (at: number, durableEnd: number) => {
    if (durableEnd > end) throw new Error(`cut at ${end}, although ${at} vouches for ${durableEnd}`)
  }
  for (const at of SUPERBLOCK_POSITIONS) {
    if (isWhole(at, SUPERBLOCK_BYTES)) evidence(at, Number(left.readBigUInt64LE(at + SUPERBLOCK.durableEnd)))
  }
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(GROUP_MAGIC)
  for (let at = left.indexOf(magic); at >= 0; at = left.indexOf(magic, at + 1)) {
    if (at + GROUP_HEADER_BYTES > left.length) return
    if (Number(left.readBigUInt64LE(at + GROUP.position)) !== at || !isWhole(at, GROUP_HEADER_BYTES)) continue
    evidence(at, Number(left.readBigUInt64LE(at + GROUP.durableEnd)))
  }
}

/** What came of the damaged files, and of which kind the damage was. */
export interface CorruptionTally {
  right: number
  refused: number
  refusedAtOpen: number
  lost: number
  kinds: Record<string, number>
}

/**
 * A damaged store goes on where it is whole: each change is made or refused, none by halves, and what was made
 * is there after a crash.
 */
async function goOn(
  disk: SimulatedDisk,
  first: Store,
  { contents }: Original,
  random: Random,
): Promise<void> {
  let store = first
  const content = new Map(contents[store.commit])
  const keys = [...content.values()].filter(({ tree }) => tree !== 'refs')
  for (let life = 0; life < 2; life++) {
    for (let i = 0; i < 60; i++) {
      const { tree, key } = random.pick(keys)
      const value = random.bool(0.7) ? undefined : patternBytes(random.next(), random.int(600))
      try {
        await store.transact((tx) => {
          if (value === undefined) tx.delete(tree, key)
          else tx.put(tree, key, value)
        })
      } catch (error) {
        if (!isPrecise(error)) throw error
        continue
      }
      if (value === undefined) content.delete(`${tree}/${key}`)
      else content.set(`${tree}/${key}`, { tree, key, value })
    }
    for (const { tree, key } of keys) {
      try {
        const found = store.get(tree, key)
        const expected = content.get(`${tree}/${key}`)?.value
        const right = expected === undefined ? found === undefined : found?.equals(expected) === true
        if (!right) throw new Error(`${tree}/${key} is wrong after more changes`)
      } catch (error) {
        if (!isPrecise(error)) throw error
      }
    }
    if (life === 1) return
    try {
      store = await openSimulated(disk.crash({ survival: 0 }), PATH, random, { create: false })
    } catch (error) {
      // What nothing had to read so far may stand in the way of the replay.
      if (!isPrecise(error)) throw error
      return
    }
  }
}

/** One file, damaged again and again, each time as it was at first. */
export class CorruptionRun {
  readonly tally: CorruptionTally = { right: 0, refused: 0, refusedAtOpen: 0, lost: 0, kinds: {} }
  readonly #closed: boolean

  /** `closed`: whether the writer of the file ended in good order, or was killed. */
  constructor(closed: boolean) {
    this.#closed = closed
  }

  /** Makes the file from `setup` and damages it once for each generator. */
  async play(setup: Random, events: Iterable<Random>): Promise<void> {
    const file = await original(setup, this.#closed)
    for (const random of events) await this.#examine(file, random)
  }

  async run(random: Random, mutations: number): Promise<void> {
    function* events(count: number) {
      for (let i = 0; i < count; i++) yield random.fork()
    }
    for (let left = mutations; left > 0; left -= MUTATIONS_OF_ONE_FILE) {
      await this.play(random.fork(), events(Math.min(left, MUTATIONS_OF_ONE_FILE)))
    }
  }

  async #examine(original: Original, random: Random): Promise<void> {
    const disk = original.disk.afterCrashPrefix(0)
    const length = disk.inode(PATH).visible.length
    const { kind, how } = mutate(disk, random)
    this.tally.kinds[kind] = (this.tally.kinds[kind] ?? 0) + 1
    try {
      await this.#examineDamaged(original, disk, random)
    } catch (error) {
      const place = `${this.#closed ? 'closed' : 'killed'} file of ${length} bytes, ${how}`
      throw new Error(`${place}: ${(error as Error).message}`, { cause: error })
    }
  }

  async #examineDamaged(original: Original, disk: SimulatedDisk, random: Random): Promise<void> {
    const left = Buffer.from(disk.content(PATH))
    let store: Store
    try {
      store = await openSimulated(disk, PATH, random, { create: false })
    } catch (error) {
      if (!isPrecise(error)) throw error
      this.tally.refusedAtOpen += 1
      return
    }
    const verdict = compare(store, original)
    if (verdict === 'lost a commit') {
      if (this.#closed) throw new Error('a commit of a closed file was lost')
      const { outcome, lastCommit } = store.recovery
      const end = original.ends[lastCommit]!
      assertNothingVouched(left, original, end)
      // Of a group that was cut off as a whole, or whose one write went elsewhere, nothing is left that could be noticed.
      const isUnseen = left.subarray(end).every((byte) => byte === 0)
      if (outcome !== 'cut' && !isUnseen) throw new Error(`a commit was lost, and reported as ${outcome}`)
      this.tally.lost += 1
    } else if (verdict === 'refused') {
      this.tally.refused += 1
    } else {
      this.tally.right += 1
    }
    if (random.bool(0.25)) await goOn(disk, store, original, random)
  }
}
