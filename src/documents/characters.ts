/** What a client's text is made of, where not every text will do. */

const SURROGATE = /\p{Surrogate}/u
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be sent
const CONTROLS = /[\x00-\x1f\x7f]/

/** Whether the text has a form in UTF-8: a lone surrogate stands for a byte that was none. */
export function isUtf8(text: string): boolean {
  return !SURROGATE.test(text)
}

/** Whether a header can hold the text, of an answer or of a part of one. */
export function isHeaderText(text: string): boolean {
  return !CONTROLS.test(text)
}
