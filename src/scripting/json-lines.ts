/** Texts of JSON in one buffer of its own, each on a line, as batches and rows cross into the engine. */
const LINE_BREAK = 0x0a
const SPACE = 0x20

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
