/** Texts of JSON in one buffer of its own, each on a line, as batches and rows cross into the engine. */
const LINE_BREAK = 0x0a
const SPACE = 0x20
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
/** A list of texts goes on up to here. Of what is parsed together all is in memory until the last of it is looked at. */
const LIST_BYTES = 4096

/** Between the tokens of JSON a line break is as good as a space, and within them there is none. */
export function linesOf(texts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const text of texts) length += text.length + 1
  const bytes = new Uint8Array(length)
  let start = 0
  for (const text of texts) {
    const end = start + text.length
    bytes.set(text, start)
    bytes[end] = LINE_BREAK
    for (let at = bytes.indexOf(LINE_BREAK, start); at < end; at = bytes.indexOf(LINE_BREAK, at)) {
      bytes[at] = SPACE
    }
    start = end + 1
  }
  return bytes
}

/** Likewise, lists of texts: as many short ones as fit a few kilobytes are on one line, to be parsed at once. */
export function listLinesOf(texts: readonly Uint8Array[], from: number): Uint8Array<ArrayBuffer> {
  let most = 0
  for (let i = from; i < texts.length; i++) most += texts[i]!.length + 3
  const bytes = new Uint8Array(most)
  let at = 0
  let listStart = 0
  for (let i = from; i < texts.length; i++) {
    const text = texts[i]!
    if (at > listStart && at - listStart + text.length > LIST_BYTES) {
      at = endLine(bytes, listStart, at)
      listStart = at
    }
    bytes[at] = at === listStart ? OPEN_BRACKET : COMMA
    bytes.set(text, at + 1)
    at += 1 + text.length
  }
  if (at > listStart) at = endLine(bytes, listStart, at)
  return bytes.subarray(0, at)
}

function endLine(bytes: Uint8Array, start: number, end: number): number {
  for (let at = bytes.indexOf(LINE_BREAK, start); at >= 0 && at < end; at = bytes.indexOf(LINE_BREAK, at)) {
    bytes[at] = SPACE
  }
  bytes[end] = CLOSE_BRACKET
  bytes[end + 1] = LINE_BREAK
  return end + 2
}
