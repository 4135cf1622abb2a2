/**
 * JSON as values that lose nothing: numbers keep their text, members their order whatever their names. In such
 * a value a string is `s` and its text, a number `n` and its text, and the name of a member `s` and its text.
 */
import { runAtOnce, type Steps } from '../base/time-slice.ts'
import { buildSteps, printPieces, type ValueForm } from './value-steps.ts'
import { stringText } from './writer.ts'

export type Lossless = string | boolean | null | Lossless[] | { [name: string]: Lossless }

const TAGGED: ValueForm = {
  string: (token) => `s${token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)}`,
  number: (token) => `n${token}`,
}

/**
 * A number that is whole and written as a float. CouchDB takes none where it wants an integer, and `JSON.parse` makes the
 * integer 1 of `1.0`: so who wants an integer is given this in its place, as `exactNumber` finds it.
 */
export class WholeFloat {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** As it is written. */
  toString(): string {
    return this.#text
  }
}

/** In every float of a canonical text, and in no integer. */
const POINT = 0x2e

/** Whether a canonical text has a float in it, or a string with a point. */
export function mayHaveFloats(text: Buffer): boolean {
  return text.includes(POINT)
}

/** `value` as `JSON.parse` has it, a `WholeFloat` where `written`, its canonical text, is one's. */
export function exactNumber(value: unknown, written: string): unknown {
  return Number.isInteger(value) && written.includes('.') ? new WholeFloat(written) : value
}

/** `text` is canonical JSON. Throws RangeError beyond `mostLevels`. */
export function* losslessSteps(text: string, mostLevels?: number): Steps<Lossless> {
  return (yield* buildSteps(text, TAGGED, mostLevels)) as Lossless
}

/** The same at once. */
export function parseLossless(text: string): Lossless {
  return runAtOnce(losslessSteps(text))
}

/** The text in pieces. */
export function losslessPieces(value: Lossless): Generator<string, void> {
  return printPieces(value, printTagged)
}

/** The text at once. */
export function printLossless(value: Lossless): string {
  return [...losslessPieces(value)].join('')
}

function printTagged(value: unknown): string {
  if (typeof value !== 'string') return String(value)
  return value.startsWith('n') ? value.slice(1) : stringText(value.slice(1))
}
