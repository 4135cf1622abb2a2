import { runAtOnce, type Steps } from '../../base/time-slice.ts'
import { canonicalize } from '../../json/documents.ts'
import { type Lossless, losslessPieces, parseLossless, printLossless } from '../../json/lossless.ts'
import { joinSteps } from '../../json/value-steps.ts'
import { stringText } from '../../json/writer.ts'

/** Keys as they are given back: a number keeps every digit that it came with. */

const STEP_KEYS = 1024

/** A key that is no string: it names nothing and is only given back, as its canonical text. */
export class OddKey {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The keys of the JSON text of an array: strings and `OddKey`s. */
export function exactKeys(text: Uint8Array): unknown[] {
  return runAtOnce(exactKeySteps(parseLossless(canonicalize(text).toString()) as Lossless[]))
}

/** The same of an array that was parsed. */
export function* exactKeySteps(keys: Lossless[]): Steps<unknown[]> {
  const exact: unknown[] = []
  for (const key of keys) {
    const isString = typeof key === 'string' && key.startsWith('s')
    exact.push(isString ? key.slice(1) : new OddKey(yield* printedSteps(key)))
    if (exact.length % STEP_KEYS === 0) yield
  }
  return exact
}

/** The text of a value, which may be long. */
export function* printedSteps(value: Lossless): Steps<string> {
  return typeof value === 'object' ? yield* joinSteps(losslessPieces(value)) : printLossless(value)
}

/** The JSON text of a key. */
export function keyText(key: unknown): string {
  if (key instanceof OddKey) return key.text
  return typeof key === 'string' ? stringText(key) : JSON.stringify(key)
}
