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
