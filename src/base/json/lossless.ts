/**
 * JSON as values that lose nothing: numbers keep their text, members their order whatever their names. In such
 * a value a string is `s` and its text, a number `n` and its text, and the name of a member `s` and its text.
 */
export type Lossless = string | boolean | null | Lossless[] | { [name: string]: Lossless }

const TOKEN = /"([^"\\]*(?:\\.[^"\\]*)*)"|-?\d[\d.eE+-]*/g
const TAGGED = /"([sn])([^"\\]*(?:\\.[^"\\]*)*)"/g

/** `text` is JSON that is known to be well-formed. */
export function parseLossless(text: string): Lossless {
  const tagged = text.replace(TOKEN, (token, string?: string) =>
    string === undefined ? `"n${token}"` : `"s${string}"`,
  )
  return JSON.parse(tagged) as Lossless
}

/** Throws RangeError for what is nested some thousand levels deep. */
export function printLossless(value: Lossless): string {
  return JSON.stringify(value).replace(TAGGED, (_token, tag: string, content: string) =>
    tag === 'n' ? content : `"${content}"`,
  )
}
