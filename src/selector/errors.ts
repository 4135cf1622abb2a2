import { type Lossless, parseLossless } from '../json/lossless.ts'

/** CouchDB's names of what can be wrong with a selector or a list of fields. */
export type SelectorErrorCode =
  | 'bad_arg'
  | 'bad_field'
  | 'invalid_operator'
  | 'invalid_selector'
  | 'invalid_selector_json'
  | 'invalid_field_name'
  | 'invalid_field'
  | 'invalid_fields'
  | 'not_supported'

/** `message` is CouchDB's reason. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError'
  readonly code: SelectorErrorCode

  constructor(code: SelectorErrorCode, reason: string) {
    super(reason)
    this.code = code
  }
}

/** A longer text is not told: what is told becomes several times as long. */
const LONGEST_PRINTED = 4096

/** A canonical text of JSON as Erlang's `~w` prints its value, which is how CouchDB repeats arguments. */
export function printPlain(text: string): string {
  return text.length > LONGEST_PRINTED ? '...' : print(parseLossless(text))
}

function print(value: Lossless): string {
  if (typeof value === 'string') return value.startsWith('n') ? value.slice(1) : printBytes(value.slice(1))
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(
    ([name, member]) => `{${printBytes(name.slice(1))},${print(member)}}`,
  )
  return `{[${members.join(',')}]}`
}

function printBytes(text: string): string {
  return `<<${[...Buffer.from(text)].join(',')}>>`
}

/** `argument` is the text of its value. */
export function badArgument(operator: string, argument: string): SelectorError {
  return new SelectorError('bad_arg', `Bad argument for operator ${operator}: ${printPlain(argument)}`)
}
