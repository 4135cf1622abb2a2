/**
 * What a store has to offer to be measured and broken by the lab: the types that an adapter's author writes against.
 * docs/LAB.md leads through one. Keys and values are byte strings; keys are ordered bytewise.
 */
import type { FileSystem } from '../../native-free-btree/index.ts'

/** What the lab may expect of a store. It tests nothing that is not promised here, and everything that is. */
export interface Capabilities {
  /** `commit` takes several operations: after a crash all of them are there or none. */
  readonly transactions: boolean
  /** `scan` gives entries in bytewise order of their keys, from a key on. */
  readonly orderedScans: boolean
  /** Writes may be begun before earlier ones have resolved. Those begun side by side never name the same key. */
  readonly concurrentWriters: boolean
  /** Several processes may have the same folder open. */
  readonly multipleProcesses: boolean
  /** `open` does all its input and output by `OpenOptions.fileSystem` when it is given one. */
  readonly fileSystem: boolean
}

/** Without a value it deletes the key. */
export interface Operation {
  readonly key: Buffer
  readonly value: Buffer | undefined
}

export interface CommitOptions {
  /** Whether the write has to survive a loss of power once the call has resolved. */
  readonly durable: boolean
}

export interface ScanOptions {
  /** The first key, inclusive; from the beginning where it is left out. */
  readonly start?: Buffer | undefined
  /** Most entries to give. */
  readonly limit?: number | undefined
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/** What reads: an open store, or a snapshot of one. */
export interface Reads {
  /** Undefined (or null) for a key that is not there. The lab may change what it is given. */
  get(key: Buffer): MaybePromise<Uint8Array | undefined | null>
  /** In an order of its own unless `orderedScans` is promised. Without it the lab asks for every key it has written. */
  scan?(options: ScanOptions): Iterable<Entry> | AsyncIterable<Entry>
}

export interface Snapshot extends Reads {
  close(): MaybePromise<void>
}

/**
 * An open store: `commit`, or both `put` and `delete`. With both the lab commits. A write that rejects may have
 * happened or not.
 */
export interface OpenedStore extends Reads {
  /** Applies the operations in turn. One alone unless `transactions` is promised. */
  commit?(operations: readonly Operation[], options: CommitOptions): MaybePromise<void>
  put?(key: Buffer, value: Buffer, options: CommitOptions): MaybePromise<void>
  delete?(key: Buffer, options: CommitOptions): MaybePromise<void>
  /** What the store holds now, and goes on to hold for whoever has the snapshot. */
  snapshot?(): MaybePromise<Snapshot>
  /** Resolves when the folder may be opened again. */
  close(): MaybePromise<void>
}

export interface OpenOptions {
  /** What the user set by `--set NAME=VALUE`. A store throws for names that it does not know. */
  readonly settings: Readonly<Record<string, string>>
  /** Memory for the store's own cache, where it has one. */
  readonly cacheBytes: number
  /** Only with the capability `fileSystem`. */
  readonly fileSystem?: FileSystem
}

/** The default export of an adapter's module. */
export interface Store {
  readonly name: string
  /** Of the store, not of the adapter. */
  readonly version?: string
  readonly capabilities: Capabilities
  /**
   * Ends of names of files that the store makes anew at each start, whatever is in them (a lock, a shared index): a
   * power cut may leave anything there, and they may be written through a mapping.
   */
  readonly rebuiltFiles?: readonly string[]
  /** Holds its entries in memory alone: it is measured, and no crash is tried on it. */
  readonly keepsNothing?: boolean
  /** Opens the store in an existing folder, and makes it where the folder is empty. */
  open(folder: string, options: OpenOptions): MaybePromise<OpenedStore>
}

export type MaybePromise<T> = T | Promise<T>

/** Gives a store back as it is; for the types' sake in files of JavaScript. */
export function defineStore(store: Store): Store {
  return store
}
