/** Tree options that tests of the engine share: orders and summaries that mistakes show in. */
import type { Comparator, Reducer, TreeOptions } from '../../native-free-btree/index.ts'
import { openStore, PageCache, type Store, type StoreOptions } from '../../native-free-btree/index.ts'
import type { Random } from './random.ts'
import { SimulatedClock, seededRandomBytes } from './simulated-clock.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

/** A byte without the difference between upper and lower case: unlike keys may be equal. */
function folded(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}

/** Descending, ASCII case ignored. */
export const foldedDescending: Comparator = {
  name: 'folded-descending',
  version: 3,
  compare(a, b) {
    const shared = Math.min(a.length, b.length)
    for (let i = 0; i < shared; i++) {
      const difference = folded(b[i]!) - folded(a[i]!)
      if (difference !== 0) return difference
    }
    return b.length - a.length
  },
}

/** First bytes below are those of keys in bytewise order in `mixed`. */
const MIXED_BELOW = 0x5b

/**
 * Upper case stands among lower case. Keys that begin with it, or with less, are in bytewise order among each other; of
 * others the case of every byte but the first does not count, so that unlike ones may be equal.
 */
export const mixed: Comparator = {
  name: 'mixed',
  version: 1,
  bytewiseBelow: MIXED_BELOW,
  compare(a, b) {
    const [isFoldedA, isFoldedB] = [a, b].map((key) => !(key[0]! < MIXED_BELOW))
    const shared = Math.min(a.length, b.length)
    for (let i = 0; i < shared; i++) {
      const byteOfA = i === 0 || isFoldedA ? folded(a[i]!) : a[i]!
      const byteOfB = i === 0 || isFoldedB ? folded(b[i]!) : b[i]!
      if (byteOfA !== byteOfB) return byteOfA - byteOfB
    }
    return a.length - b.length || Number(isFoldedA) - Number(isFoldedB)
  },
}

/**
 * Sum of the values' lengths u48, then how the first and the last key begin, 5 bytes each behind a length:
 * of variable length, and other orders of combining give other results.
 */
export const edges: Reducer = {
  name: 'edges',
  version: 1,
  maxBytes: 18,
  map: (key, value) => encodeEdges(value.length, key.subarray(0, 5), key.subarray(0, 5)),
  mapAll(bytes, bounds) {
    let sum = 0
    for (let at = 0; at < bounds.length; at += 4) sum += bounds[at + 3]! - bounds[at + 2]!
    const edge = (at: number): Uint8Array =>
      bytes.subarray(bounds[at]!, Math.min(bounds[at]! + 5, bounds[at + 1]!))
    return encodeEdges(sum, edge(0), edge(bounds.length - 4))
  },
  combineAll(bytes, bounds) {
    const parts: Uint8Array[] = []
    for (let at = 0; at < bounds.length; at += 2) parts.push(bytes.subarray(bounds[at]!, bounds[at + 1]!))
    return edges.combine(parts)
  },
  combine(parts) {
    const whole = parts.filter((part) => part.length > 0).map(decodeEdges)
    if (whole.length === 0) return new Uint8Array(0)
    const sum = whole.reduce((total, part) => total + part.sum, 0)
    return encodeEdges(sum, whole[0]!.first, whole[whole.length - 1]!.last)
  },
}

function encodeEdges(sum: number, first: Uint8Array, last: Uint8Array): Uint8Array {
  const head = Buffer.alloc(6)
  head.writeUIntLE(sum, 0, 6)
  return Buffer.concat([head, Buffer.of(first.length), first, Buffer.of(last.length), last])
}

function decodeEdges(bytes: Uint8Array): { sum: number; first: Uint8Array; last: Uint8Array } {
  const buffer = Buffer.from(bytes)
  const firstEnd = 7 + buffer[6]!
  return {
    sum: buffer.readUIntLE(0, 6),
    first: buffer.subarray(7, firstEnd),
    last: buffer.subarray(firstEnd + 1, firstEnd + 1 + buffer[firstEnd]!),
  }
}

/** `refs` holds nothing but references. */
export const TEST_TREES: Record<string, TreeOptions> = {
  plain: {},
  folded: { comparator: foldedDescending },
  mixed: { comparator: mixed },
  summed: { reducer: edges },
  refs: { references: (value) => [value] },
}

/** For disks in memory, which no other process can reach. */
export async function noLock(): Promise<{ release(): Promise<void> }> {
  return { release: async () => {} }
}

/** Little, so that room is made, used up and made again all the time: groups of a third of it are written without. */
const ROOM_BYTES = 6000

/** Opens a store on a simulated disk, with little memory and checkpoints running most of the time. */
export function openSimulated(
  disk: SimulatedDisk,
  path: string,
  random: Random,
  options: StoreOptions = {},
): Promise<Store> {
  return openStore(path, {
    trees: TEST_TREES,
    cache: new PageCache(1024 * 1024),
    checkpointLogBytes: 24 * 1024,
    dirtyBytes: 128 * 1024,
    roomBytes: ROOM_BYTES,
    fileSystem: disk,
    clock: new SimulatedClock(),
    random: seededRandomBytes(random),
    lock: noLock,
    ...options,
  })
}

/** Bytes that a seed and a length determine: models keep those instead of the bytes. */
export function patternBytes(patternSeed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = (patternSeed ^ 0x9e3779b9) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
