/** The shapes in which a store tells what the bytes of its file are: for maps of files, and for whoever studies one. */

/**
 * What bytes are for.
 * - `superblocks`: the two slots. `headers`: those of groups. `padding`: zeros between and behind groups' records.
 * - `nodes`: pages that a tree consists of, with what patches are patches of. `values`: values that entries name. `log`:
 *   operations that the next opening replays, and the checkpoint that it begins with.
 * - `oldNodes`, `oldValues`, `oldLog`: what nothing leads to any more. A compaction leaves it behind.
 * - `behind`: what lies behind the last commit: what a crash left, or what a writer is about to make durable.
 * - `unread`: groups that are damaged, and what follows them.
 */
export type MapPart =
  | 'superblocks'
  | 'headers'
  | 'padding'
  | 'nodes'
  | 'values'
  | 'log'
  | 'oldNodes'
  | 'oldValues'
  | 'oldLog'
  | 'behind'
  | 'unread'

export interface MapKind {
  readonly part: MapPart
  /** Of `nodes` the tree, of `values` the kind that `MapOptions.values` gave or the tree; else empty. */
  readonly name: string
}

/** A value out of line that an entry names, and what it is. */
export interface NamedValue {
  readonly reference: Uint8Array
  readonly kind: string
}

export interface MapOptions {
  /** Most stretches that the file is divided into: 1 to 65,536, default 2,000. */
  buckets?: number | undefined
  /**
   * The values that an entry names, with kinds of the caller's: what it does not tell of counts as `oldValues`. It must not
   * call the library. Default: `references` of the tree's options, all of the kind that the tree is called.
   */
  values?: ((tree: string, value: Uint8Array) => Iterable<NamedValue>) | undefined
  /** Aborts with its reason. */
  signal?: AbortSignal | undefined
  onProgress?: ((done: number, total: number) => void) | undefined
}

/** What a tree takes of the file as of the mapped commit. */
export interface MappedTree {
  readonly entries: number
  readonly leaves: number
  readonly innerNodes: number
  /** Of both: those that the file holds as patches. */
  readonly patches: number
  /** Nodes in memory that the file does not hold yet. */
  readonly unwritten: number
}

/** Where in a file lies what, as of one commit, in stretches of equal length. */
export interface FileMap {
  readonly commit: number
  readonly fileBytes: number
  /** Length of a stretch; the last one ends with the file. */
  readonly bucketBytes: number
  readonly kinds: readonly MapKind[]
  /** Bytes of kind k in stretch b, at `b * kinds.length + k`: those of a stretch add up to its length. */
  readonly bytes: Float64Array
  readonly trees: Readonly<Record<string, MappedTree>>
  readonly groups: number
  /** Nodes and values that should be there and cannot be read. */
  readonly damaged: number
  /**
   * 1: every value was looked for. Of files so large that marking every short value would take too much memory, one stretch
   * of 64 KiB in so many; what that says is taken for the others.
   */
  readonly sampling: number
}

/** Bytes of the file, and what FORMAT.md calls them. */
export interface DescribedField {
  /** In the file. */
  readonly position: number
  readonly length: number
  readonly type: string
  readonly name: string
  /** Numbers in decimal, hashes and bytes in hex, text as text; long ones are cut short and end with dots. */
  readonly value: string
}

export interface DescribedRecord {
  readonly position: number
  readonly length: number
  /** As FORMAT.md calls it: value, put, delete, node, checkpoint, tree or index. */
  readonly type: string
  readonly fields: readonly DescribedField[]
}

export interface DescribedGroup {
  readonly position: number
  readonly length: number
  /** genesis, commit, part or chunk. */
  readonly type: string
  readonly fields: readonly DescribedField[]
  /** Number of all records. */
  readonly recordCount: number
  /** Those that were asked for. */
  readonly records: readonly DescribedRecord[]
  /** Undefined of the genesis group. */
  readonly previous: number | undefined
}

/** An entry of a leaf, or a child of an inner node. */
export interface DescribedCell {
  readonly key: Uint8Array
  /** Of an entry whose value lies in the leaf. */
  readonly value?: Uint8Array
  /** Of one whose value lies elsewhere. */
  readonly reference?: { readonly position: number; readonly length: number; readonly isIndex: boolean }
  readonly child?: NodeHandle
}

/** A node that can be described. */
export interface NodeHandle {
  /** Of its page, or of the patch that stands for it; undefined: in memory alone, as the log behind the checkpoint made it. */
  readonly position: number | undefined
  /** In the file. */
  readonly length: number | undefined
  /** Of the entries below, and the bytes of their keys and values. */
  readonly count: number
  readonly bytes: number
}

export interface DescribedNode extends NodeHandle {
  readonly kind: 'leaf' | 'inner'
  /** Where the page lies that a patch changes. */
  readonly base: { readonly position: number; readonly length: number } | undefined
  readonly cells: readonly DescribedCell[]
}

/** A file that was opened to be looked at, as of the last durable commit of that moment. Reads beside a writer. */
export interface FileInspection {
  /** Of the store, in hex. */
  readonly uuid: string
  readonly commit: number
  readonly fileBytes: number
  /** The groups that count end here. */
  readonly durableEnd: number
  /** Position of the last group; undefined: there is none but the genesis group. */
  readonly lastGroup: number | undefined
  readonly treeNames: readonly string[]
  /** Tells where in the file lies what. Yields to the event loop as it goes. */
  map(options?: MapOptions): Promise<FileMap>
  /** The fields of both slots; of one that is no superblock what its bytes would be. */
  superblocks(): Promise<DescribedField[][]>
  /**
   * The group that begins at `position`, and at most `most` of its records: the first ones, or those that bytes from `at` on lie
   * in. Throws NOT_FOUND when no whole group of this file begins there.
   */
  group(position: number, options?: { most?: number; at?: number }): Promise<DescribedGroup>
  /** Where the group begins in which `position` lies, found by a walk over all before it. Throws NOT_FOUND. */
  groupAt(position: number, signal?: AbortSignal): Promise<number>
  /** Undefined: the tree is empty. Throws UNKNOWN_TREE. */
  root(tree: string): NodeHandle | undefined
  /** A node of this inspection's trees. Throws DAMAGED. */
  node(handle: NodeHandle): DescribedNode
  close(): Promise<void>
}
