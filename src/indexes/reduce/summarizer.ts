/**
 * What one built-in reduce keeps of rows: a summary of some bytes, which joins with those of neighbouring rows. The first byte
 * says what it is; each reduce has its own, beside the two that all share. Summaries are short, for inner nodes hold
 * them: one that would be longer than it may is TOO_LONG, and so is whatever it is joined with. `builtin-reduction.ts` finds then what it
 * would have been.
 */
export const NOTHING = 0
export const TOO_LONG = 0xff

/** Of no rows. */
export const EMPTY_SUMMARY: Uint8Array = Uint8Array.of(NOTHING)
export const LONG_SUMMARY: Uint8Array = Uint8Array.of(TOO_LONG)

/** Key and value are JSON. They may be views of bytes that change later. */
export interface Row {
  /** The key in the tree; not there where it is not asked for. */
  readonly place?: Uint8Array
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Neighbouring rows, in bytes that lie together. */
export interface Rows {
  readonly bytes: Uint8Array
  /** Of row i: where its key begins, where that ends and its value begins, and where that ends. */
  readonly bounds: Uint32Array
  /** The same as the engine has them: `mapAll` of its reducers. */
  readonly entries: Uint32Array
}

export interface Summarizer {
  /** With the version of the room, what a file says that its summaries are. */
  readonly name: string
  /** Whether CouchDB refuses results that are about as long as what they are made of. */
  readonly mustShrink: boolean
  map(row: Row, mostBytes: number): Uint8Array
  /** What `combine` gives of what `map` gives; undefined for rows of which it is not to be had for less. */
  mapAll?(rows: Rows): Uint8Array | undefined
  /** In the order of the rows; associative, but for the rounding of doubles. */
  combine(parts: readonly Uint8Array[], mostBytes: number): Uint8Array
  /** JSON. Of a summary of at least one row, that is not TOO_LONG. */
  result(summary: Uint8Array): string
}

/** Three bounds are a row. */
export const ROW_BOUNDS = 3

/** Without its place. */
export function rowAt({ bytes, bounds }: Rows, index: number): Row {
  const at = index * ROW_BOUNDS
  const valueStart = bounds[at + 1]!
  return { key: bytes.subarray(bounds[at]!, valueStart), value: bytes.subarray(valueStart, bounds[at + 2]!) }
}

export function isTooLong(summary: Uint8Array): boolean {
  return summary[0] === TOO_LONG
}

/** The summary that is `text` behind the byte `tag`. */
export function textSummary(tag: number, text: string, mostBytes: number): Uint8Array {
  // A character is at least a byte.
  if (text.length >= mostBytes) return LONG_SUMMARY
  const length = Buffer.byteLength(text)
  if (length >= mostBytes) return LONG_SUMMARY
  const summary = Buffer.allocUnsafe(length + 1)
  summary[0] = tag
  summary.write(text, 1)
  return summary
}

export function textOf(summary: Uint8Array): string {
  return Buffer.from(summary.buffer, summary.byteOffset, summary.length).toString('utf8', 1)
}

/** A row's JSON behind the byte `tag`. */
export function jsonSummary(tag: number, json: Uint8Array, mostBytes: number): Uint8Array {
  if (json.length >= mostBytes) return LONG_SUMMARY
  const summary = new Uint8Array(json.length + 1)
  summary[0] = tag
  summary.set(json, 1)
  return summary
}
