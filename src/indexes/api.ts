/**
 * What an index of a database is, for those who define one (design documents with views, indexes of Mango) and those who ask
 * it. An index is a store of its own, one for each signature in a database, that one thread writes and others follow.
 * Keys and values of rows travel as bytes of JSON; bounds as bytes of `keys/row-key.ts`, whose order is the rows'.
 */
import type { EntryPlace } from '../../native-free-btree/index.ts'
import type { Database } from '../database/api/database.ts'

/** One tree of rows: what a map emits, or what documents have in the fields of a Mango index. */
export interface TreeDefinition {
  /** Of a view: the name by which the map is found in the design document. */
  readonly name: string
  /** Reduces of views with this map, without repetition: names of built-in ones, or functions. */
  readonly reduces: readonly string[]
  /** The view's own option `collation: raw`; the design document's option of that name says nothing. */
  readonly isRaw: boolean
}

/** The views of a design document. Those with equal maps share a tree. */
export interface ViewsDefinition {
  readonly kind: 'views'
  /** Of what follows: hex, a file's name. Equal where the same documents give the same rows in the same order. */
  readonly signature: string
  readonly trees: readonly TreeDefinition[]
  /** JSON of `{views, language}`: what the maps and reduces run from, `lib` included. */
  readonly design: Uint8Array
  readonly withDesignDocuments: boolean
  /** Whether maps see `_local_seq`. */
  readonly withLocalSeq: boolean
  /** Keys are within partitions: see `keys/row-key.ts`. */
  readonly isPartitioned: boolean
  /** Id of a design document that has them, for those who look at tasks. */
  readonly designDocument?: string | undefined
}

/** One index of Mango: a tree whose keys are arrays of the fields' values, and whose values are null. */
export interface FieldsDefinition {
  readonly kind: 'fields'
  readonly signature: string
  /** Paths of names; all of them must be there. */
  readonly fields: readonly (readonly string[])[]
  /** JSON of a selector: documents that it does not match are left out. */
  readonly filter: Uint8Array | undefined
  readonly isPartitioned: boolean
  /** As for views. */
  readonly designDocument?: string | undefined
}

export type IndexDefinition = ViewsDefinition | FieldsDefinition

/**
 * How new the rows must be. `current`: every write that was acknowledged before the call is in them. `stale`: as they are.
 * `lazy`: as they are, and the index is built on after that.
 */
export type Freshness = 'current' | 'stale' | 'lazy'

/** Bounds of rows, in the order of the tree whatever the direction; both by `keys/row-key.ts`. */
export interface RowRange {
  /** Inclusive. Undefined: from the first row on. */
  readonly start?: Uint8Array | undefined
  /** Exclusive. Undefined: to the last row. */
  readonly end?: Uint8Array | undefined
}

/** Stands before the first row until `next()`. */
export interface RowCursor {
  /** False at the end. */
  next(): boolean
  /** JSON. */
  key(): Buffer
  id(): string
  /** JSON. */
  value(): Buffer
  /** Key and value as they lie together: `keys/row-value.ts`. */
  stored(): Buffer
  /** The row's place, for `RowRange.start`, and with one byte behind it for the place after it. */
  place(): Buffer
  /** Says where the row's place and what `stored` gives lie, without a copy: good until the cursor moves. */
  locate(into: EntryPlace): void
}

/** The rows of one tree as of one commit of the index. Reads are synchronous. */
export interface RowReader {
  count(): number
  /** Rows before a place. */
  rank(place: Uint8Array): number
  cursor(range: RowRange & { reverse?: boolean; skip?: number }): RowCursor
  /** Rows of a range, and what its built-in reduces give (`reduce/`), in O(log n). */
  reduce(range: RowRange): { readonly count: number; readonly reduction: Uint8Array | undefined }
}

/** One commit of an index. It must be closed. */
export interface IndexSnapshot {
  /** The number of the last change of the database that is in the rows. */
  readonly updateSeq: number
  /** The same as clients see it; empty before the first change. */
  readonly sequence: string
  readonly purgeSeq: number
  /** In the order of the definition. */
  readonly trees: readonly RowReader[]
  close(): void
}

/** As `_design/{d}/_info` has it. */
export interface IndexInfo {
  readonly updateSeq: number
  readonly purgeSeq: number
  readonly fileBytes: number
  readonly activeBytes: number
  readonly externalBytes: number
  readonly isBuilding: boolean
  readonly isCompacting: boolean
  readonly waiting: number
}

/** The indexes of all databases, for this thread. */
export interface Indexes {
  /** What `open` would give, where that takes no waiting; undefined: it has to be asked. */
  openNow(database: Database, definition: IndexDefinition, freshness: Freshness): IndexSnapshot | undefined
  /**
   * A snapshot of the index, which is made and built where it has to be. Rejects with the failure of a map that ends the build,
   * with what storage throws, and when the signal is aborted: the wait ends, the build goes on.
   */
  open(
    database: Database,
    definition: IndexDefinition,
    options: { freshness: Freshness; signal: AbortSignal },
  ): Promise<IndexSnapshot>
  info(database: Database, definition: IndexDefinition): Promise<IndexInfo>
  /** Starts a compaction of the index's file. */
  compact(database: Database, definition: IndexDefinition): Promise<void>
  /** Removes the indexes of a database whose signature is none of these. */
  cleanUp(database: Database, signatures: readonly string[]): Promise<void>
}
