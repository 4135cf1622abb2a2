import { DatabaseError } from '../base/errors.ts'
import { printJson } from '../json/erlang.ts'
import { exactNumber } from '../json/lossless.ts'
import { elementsOf, isArrayAt, isObjectAt, isStringAt, membersOf, stringAt } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { JsonSlice } from '../selector/json-slice.ts'

export type Direction = 'asc' | 'desc'

/** Fields and their directions, of a sort or an index. */
export type SortFields = readonly (readonly [field: string, direction: Direction])[]

/** Throws invalid_sort_json, invalid_sort_field and unsupported_mixed_sort. */
export function readSort(slice: JsonSlice): SortFields {
  const { text, at } = slice
  if (!isArrayAt(text, at)) {
    throw new DatabaseError('invalidSortJson', `Sort must be an array of sort specs, not: ${shown(slice)}`)
  }
  const fields = elementsOf(text, at).map((element) => readField(new JsonSlice(text, element)))
  if (new Set(fields.map(([, direction]) => direction)).size > 1) {
    throw new DatabaseError('unsupportedMixedSort')
  }
  return fields
}

function readField(slice: JsonSlice): [string, Direction] {
  const { text, at } = slice
  if (isStringAt(text, at)) {
    const name = stringAt(text, at)
    if (name !== '') return [name, 'asc']
  } else if (isObjectAt(text, at)) {
    const [member, ...more] = membersOf(text, at)
    if (member !== undefined && more.length === 0) {
      const direction = new JsonSlice(text, member[1]).toString()
      if (direction === '"asc"') return [member[0], 'asc']
      if (direction === '"desc"') return [member[0], 'desc']
    }
  }
  throw new DatabaseError('invalidSortField', `Invalid sort field: ${shown(slice)}`)
}

function shown(slice: JsonSlice): string {
  const text = slice.toString()
  return printJson(exactNumber(JSON.parse(text), text))
}

/** `{"a":"asc","b":"asc"}`. */
export function sortText(fields: SortFields): string {
  return `{${fields.map(([name, direction]) => `${stringText(name)}:"${direction}"`).join(',')}}`
}

/** `[{"a":"asc"},{"b":"asc"}]`. */
export function sortListText(fields: SortFields): string {
  return `[${fields.map((field) => sortText([field])).join(',')}]`
}
