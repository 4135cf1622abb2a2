/** Answers that are errors: by status, each with the kinds of the one table that it may be. */
import { ERRORS, type ErrorKind } from '../../base/errors.ts'
import { oneOf, ref, type Schema } from './schema.ts'

export interface ErrorResponse {
  /** The same for the same answer. */
  readonly key: string
  readonly status: number
  readonly description: string
  readonly schema: Schema
  readonly examples: Readonly<Record<string, { readonly value: unknown }>>
}

/** A function of a design document gives its error any name. */
const ANY_NAME: ErrorKind = 'designFunction'
/** And one of these statuses. */
const ITS_STATUSES = [401, 403, 404, 500]

/** By status. */
export function errorResponses(kinds: readonly ErrorKind[]): Map<number, ErrorResponse> {
  const byStatus = new Map<number, ErrorKind[]>()
  const isAnyName = kinds.includes(ANY_NAME)
  for (const kind of [...kinds].sort()) {
    const { status } = ERRORS[kind]
    byStatus.set(status, [...(byStatus.get(status) ?? []), kind])
  }
  if (isAnyName) for (const status of ITS_STATUSES) byStatus.set(status, byStatus.get(status) ?? [])
  return new Map(
    [...byStatus].map(([status, found]) => [
      status,
      responseOf(status, found, isAnyName && ITS_STATUSES.includes(status)),
    ]),
  )
}

function responseOf(status: number, kinds: readonly ErrorKind[], isAnyName: boolean): ErrorResponse {
  const names = [...new Set(kinds.map((kind) => ERRORS[kind].error))].sort()
  const lines = kinds.map((kind) => {
    const { error, reason } = ERRORS[kind]
    return `- \`${error}\`${reason === '' ? '' : `: ${reason}`}`
  })
  if (isAnyName) lines.push('- what a function of a design document throws, under the name that it gives')
  const named = { type: 'object', properties: { error: oneOf(names) } }
  return {
    key: [status, ...kinds, isAnyName].join(),
    status,
    description: lines.join('\n'),
    schema: isAnyName ? ref('Error') : { allOf: [ref('Error'), named] },
    examples: Object.fromEntries(
      kinds.map((kind) => [kind, { value: { error: ERRORS[kind].error, reason: ERRORS[kind].reason } }]),
    ),
  }
}
