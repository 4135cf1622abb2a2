/** The two orders of rows: which comparator a tree has, and how keys get into it. */
import type { Comparator } from '../../../native-free-btree/index.ts'
import { compareKeys } from './key-comparison.ts'
import {
  collatedArrayStart,
  collatedKey,
  rawArrayStart,
  rawKey,
  writeCollatedKey,
  writeRawKey,
} from './sort-key.ts'
import { BY_TEXT } from './tokens.ts'

export interface KeyOrder {
  /** Of a tree whose keys are row keys. Undefined: bytewise. */
  readonly comparator: Comparator | undefined
  /** From the JSON text of a key; `partition`, the name of one, in a partitioned index. */
  sortKey(json: Uint8Array, partition?: Uint8Array): Buffer
  /** The same from `start` to `end` of `json`, written at `to` of `target`, which has the room. Returns where it ends. */
  writeSortKey(
    json: Uint8Array,
    start: number,
    end: number,
    partition: Uint8Array | undefined,
    target: Uint8Array,
    to: number,
  ): number
  /** The place before all keys that are arrays and begin with the elements of this one; `afterKey` of it is that after. */
  arrayStart(json: Uint8Array, partition?: Uint8Array): Buffer
  /** The order of sort keys, and of places. */
  compare(a: Uint8Array, b: Uint8Array): number
}

/** Of the bytes of keys. */
const VERSION = 1

/** The root collation's, as ICU has it here. */
export const collatedOrder: KeyOrder = {
  comparator: {
    name: `davenport-collation icu ${process.versions['icu']} unicode ${process.versions['unicode']}`,
    version: VERSION,
    // Keys that the collation holds equal go by their bytes, so that none is taken for another.
    compare: (a, b) => compareKeys(a, b) || Buffer.compare(a, b),
    bytewiseBelow: BY_TEXT,
  },
  sortKey: collatedKey,
  writeSortKey: writeCollatedKey,
  arrayStart: collatedArrayStart,
  compare: compareKeys,
}

/** That of Erlang's terms: numbers, false, null, true, objects, arrays, strings by their bytes. */
export const rawOrder: KeyOrder = {
  comparator: undefined,
  sortKey: rawKey,
  writeSortKey: writeRawKey,
  arrayStart: rawArrayStart,
  compare: Buffer.compare,
}

export function keyOrderOf(tree: { readonly isRaw: boolean }): KeyOrder {
  return tree.isRaw ? rawOrder : collatedOrder
}
