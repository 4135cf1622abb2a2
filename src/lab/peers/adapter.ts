/**
 * What a storage engine must offer to stand beside the others. Keys and values are byte strings, keys in
 * bytewise order. Nothing here or in the adapters knows what is measured or broken with them.
 */

import type { Operation } from '../api.ts'

export type { Operation }

/** `id`: by key. `seq`: by the time of the last change; only for engines that keep it. */
export type Order = 'id' | 'seq'

export interface ScanOptions {
  order?: Order
  /** First key, inclusive; in the order `id` only. */
  start?: Buffer
  /** Most entries to visit. */
  limit?: number
}

export interface OpenOptions {
  /** The engine's own cache, where it has one. */
  cacheBytes: number
  /** Settings that differ from what makes commits durable, by the engine's own names, as text. */
  settings?: Readonly<Record<string, string>>
}

export interface StoreAdapter {
  /**
   * Resolves once all operations, together, are durable; where `durable` is false and the engine can go without a sync
   * for one commit, once they are visible. May be called again before it has resolved.
   */
  commit(operations: readonly Operation[], durable?: boolean): Promise<void>
  /** The same without leaving the thread, where the engine can. */
  commitSync?(operations: readonly Operation[]): void
  /** A copy that the caller may keep. */
  get(key: Buffer): Buffer | undefined
  /** Visits copies of the entries that the caller may keep; returns how many. */
  scan(visit: (key: Buffer, value: Buffer) => void, options?: ScanOptions): Promise<number>
  /** Bytes handed to write() since open by kind, where the engine counts them. */
  bytesWritten?(): Record<string, number>
  /** True while the engine writes what it held back; undefined where that cannot be told. */
  isCheckpointing?(): boolean
  close(): Promise<void>
}

export interface Engine {
  readonly name: string
  /** Of the package, or of the repository. */
  readonly version: string
  /** What makes a commit durable. */
  readonly durability: string
  readonly orders: readonly Order[]
  /** Opens or makes the store at `path`, a file or a folder of the engine's own. */
  open(path: string, options: OpenOptions): Promise<StoreAdapter>
  /** Names of what `settings` may hold; none where it is left out. */
  readonly settings?: readonly string[]
}

export class PeerMissing extends Error {}
