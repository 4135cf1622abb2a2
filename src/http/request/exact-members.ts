import { exactNumber, type Lossless, printLossless } from '../../json/lossless.ts'
import type { Exchange } from './exchange.ts'

/** Members of a body as they are written. */

/** A number as it stands in the body at `path`; a whole one that is written as a float is a `WholeFloat`. */
export async function exactNumberOfBody(
  exchange: Exchange,
  value: unknown,
  ...path: (string | number)[]
): Promise<unknown> {
  if (!Number.isInteger(value) || !(await exchange.mayHaveFloats())) return value
  return exactNumber(value, printLossless(await exactMember(exchange, path)))
}

/** An object of the body that stands at `path`, with the members `names` as `exactNumberOfBody` gives them. */
export async function withExactNumbers<Members extends Record<string, unknown>>(
  exchange: Exchange,
  object: Members,
  names: readonly string[],
  ...path: (string | number)[]
): Promise<Members> {
  if (!(await exchange.mayHaveFloats())) return object
  const exact: Record<string, unknown> = {}
  for (const name of names) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    const number = await exactNumberOfBody(exchange, value, ...path, name)
    if (number !== value) exact[name] = number
  }
  return { ...object, ...exact }
}

/** What stands in the body at `path`, where something stands. */
export async function exactMember(exchange: Exchange, path: readonly (string | number)[]): Promise<Lossless> {
  let value = await exchange.losslessBody()
  for (const name of path) {
    value = (value as Record<string, Lossless>)[typeof name === 'number' ? name : `s${name}`]!
  }
  return value
}
