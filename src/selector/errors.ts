/** CouchDB's names of what can be wrong with a selector or a list of fields. */
export type SelectorErrorCode =
  | 'bad_arg'
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

/** A JSON value as Erlang's `~w` prints it, which is how CouchDB repeats arguments. */
export function printPlain(value: unknown): string {
  if (typeof value === 'string') return `<<${[...Buffer.from(value)].join(',')}>>`
  if (Array.isArray(value)) return `[${value.map(printPlain).join(',')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([name, member]) => `{${printPlain(name)},${printPlain(member)}}`)
  return `{[${members.join(',')}]}`
}

export function badArgument(operator: string, argument: unknown): SelectorError {
  return new SelectorError('bad_arg', `Bad argument for operator ${operator}: ${printPlain(argument)}`)
}
