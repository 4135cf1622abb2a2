/** The members of a request's body, each where it stands in the canonical text, and CouchDB's checks of them. */
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import { isIntegerAt, isStringAt, membersOf, numberAt, stringAt } from '../json/walk.ts'
import { printPlain, SelectorError, type SelectorErrorCode } from '../selector/errors.ts'
import { JsonSlice } from '../selector/json-slice.ts'

const KINDS: Readonly<Record<SelectorErrorCode, ErrorKind>> = {
  bad_arg: 'badArgument',
  bad_field: 'badField',
  invalid_operator: 'invalidOperator',
  invalid_selector: 'invalidSelector',
  invalid_selector_json: 'invalidSelectorJson',
  invalid_field_name: 'invalidFieldName',
  invalid_field: 'invalidField',
  invalid_fields: 'invalidFields',
  not_supported: 'unsupportedOperator',
}

/** What `make` throws of a selector becomes the error that a client is told. */
export function selecting<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof SelectorError) throw new DatabaseError(KINDS[error.code], error.message)
    throw error
  }
}

/** Members in the order in which they are asked for; then no others may be left. They are few: a list is faster than a map. */
export class QueryMembers {
  readonly #text: Buffer
  readonly #members: [name: string | undefined, value: number][]

  /** `object` is one. */
  constructor({ text, at }: JsonSlice) {
    this.#text = text
    this.#members = membersOf(text, at)
  }

  /** Undefined where it is not there. */
  take(name: string): JsonSlice | undefined {
    for (const member of this.#members) {
      if (member[0] !== name) continue
      member[0] = undefined
      return new JsonSlice(this.#text, member[1])
    }
    return undefined
  }

  /** Throws missing_required_key. */
  require(name: string): JsonSlice {
    const member = this.take(name)
    if (member === undefined) {
      throw new DatabaseError('missingRequiredKey', `Missing required key: ${name}`)
    }
    return member
  }

  /** Throws invalid_key. */
  finish(): void {
    for (const [name] of this.#members) {
      if (name === undefined) continue
      throw new DatabaseError('invalidKey', `Invalid key ${name} for this request.`)
    }
  }

  /** Throws invalid_string. */
  text(name: string): string | undefined {
    const member = this.take(name)
    if (member === undefined) return undefined
    if (isStringAt(member.text, member.at)) return stringAt(member.text, member.at)
    throw new DatabaseError('invalidString', `Invalid string: ${plain(member)}`)
  }

  /** Throws invalid_boolean. */
  flag(name: string, ifAbsent: boolean): boolean {
    const member = this.take(name)
    if (member === undefined) return ifAbsent
    const text = member.toString()
    if (text === 'true' || text === 'false') return text === 'true'
    throw new DatabaseError('invalidBoolean', `Invalid boolean value: ${plain(member)}`)
  }

  /** Throws invalid_pos_integer. */
  positive(name: string, ifAbsent: number): number {
    const member = this.take(name)
    if (member === undefined) return ifAbsent
    const value = integerOf(member)
    if (value !== undefined && value > 0) return value
    throw new DatabaseError('invalidPositiveInteger', `${plain(member)} is not an integer greater than zero`)
  }

  /** Throws invalid_non_neg_integer. */
  count(name: string, ifAbsent: number): number {
    const member = this.take(name)
    if (member === undefined) return ifAbsent
    const value = integerOf(member)
    if (value !== undefined && value >= 0) return value
    throw new DatabaseError(
      'invalidNonNegativeInteger',
      `${plain(member)} is not an integer greater than or equal to zero`,
    )
  }
}

function integerOf({ text, at }: JsonSlice): number | undefined {
  return isIntegerAt(text, at) ? numberAt(text, at) : undefined
}

/** As Erlang's `~w` prints it. */
export function plain(slice: JsonSlice): string {
  return printPlain(slice.toString())
}
