/** Texts of JSON in one buffer of its own, each on a line, as batches and rows cross into the engine. */
import { joined } from './threads/lines.ts'

const LINE_BREAK = 0x0a
const SPACE = 0x20
const LINE_END = Buffer.from([LINE_BREAK])

/** Between the tokens of JSON a line break is as good as a space, and within them there is none. */
export function linesOf(texts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = joined(texts.flatMap((text) => [text, LINE_END]))
  let end = -1
  for (const { length } of texts) {
    const start = end + 1
    end = start + length
    for (let at = bytes.indexOf(LINE_BREAK, start); at < end; at = bytes.indexOf(LINE_BREAK, at)) {
      bytes[at] = SPACE
    }
  }
  return bytes
}
