/** What a request sees by: who asks, and the index of the database's channels, which is as new as the database was. */
import type { Database } from '../database/api/database.ts'
import type { Reader } from './reader.ts'
import type { SyncFunction } from './sync-function.ts'

export interface ChannelSight {
  /** Where records, entries of channels, and clients' own local documents are. */
  readonly index: Database
  readonly reader: Reader
  /** See `readerTag`. */
  readonly tag: string
  /** The last change that is in the index. */
  readonly seq: number
  /** What documents granted when the reader was found: see `grantsVersionOf`. */
  readonly grantsVersion: number
  /** Run where the request is. */
  readonly sync: SyncFunction
}

/** One that holds the index open until it is released. */
export interface HeldSight extends ChannelSight {
  release(): void
}
