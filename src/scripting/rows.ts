/**
 * The rows of a batch of documents, as the engine writes them: texts of JSON, which have no control characters, between
 * bytes that are such. Of each document: of each view that was asked for, in that order: its rows, each `key \x01 value \x02`;
 * behind each view's, `\x03`. Reductions: of each group: of each view the reduction and `\x02`, or `\x05` and the reason why
 * they are too long; behind each group, `\x03`.
 */
const KEY_END = 1
const VALUE_END = 2
const VIEW_END = 3
const COUNT_END = 4
const OVERFLOW = 5
const CONTROL_END = 0x20

export interface RowVisitor {
  /** Positions in the bytes: the key ends where the value begins, but for one byte. */
  row(
    document: number,
    view: number,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void
}

/** What a slice says at its beginning: how many documents are done, and where their rows begin. */
export function readCount(bytes: Uint8Array): { done: number; start: number } {
  const end = bytes.indexOf(COUNT_END)
  return { done: Number(Buffer.from(bytes.subarray(0, end)).toString('latin1')), start: end + 1 }
}

/** Visits all rows of a batch in order. Throws where the bytes are none. */
export function visitRows(bytes: Uint8Array, views: number, visitor: RowVisitor): void {
  let document = 0
  let view = 0
  let start = 0
  let keyEnd = -1
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte >= CONTROL_END) continue
    if (byte === KEY_END && keyEnd < 0) keyEnd = at
    else if (byte === VALUE_END && keyEnd >= 0) {
      visitor.row(document, view, start, keyEnd, keyEnd + 1, at)
      keyEnd = -1
      start = at + 1
    } else if (byte === VIEW_END && keyEnd < 0 && start === at) {
      start = at + 1
      view += 1
      if (view === views) {
        view = 0
        document += 1
      }
    } else throw new Error(`no rows: byte ${byte} at ${at}`)
  }
  if (view !== 0 || start !== bytes.length) throw new Error('the rows end too early')
}

/** Of one group: a text of JSON for each view, or why they are refused. */
export type Reductions = Uint8Array[] | { overflow: string }

/** One for each group of a slice. */
export function readReductions(bytes: Uint8Array, start: number): Reductions[] {
  const found: Reductions[] = []
  for (let at = start; at < bytes.length; ) {
    const end = bytes.indexOf(VIEW_END, at)
    if (end < 0) throw new Error('the reductions end too early')
    found.push(readGroup(bytes.subarray(at, end)))
    at = end + 1
  }
  return found
}

function readGroup(bytes: Uint8Array): Reductions {
  if (bytes[0] === OVERFLOW) return { overflow: Buffer.from(bytes.subarray(1)).toString() }
  const texts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(VALUE_END, at)
    if (end < 0) throw new Error('a reduction ends too early')
    texts.push(bytes.subarray(at, end))
    at = end + 1
  }
  return texts
}
