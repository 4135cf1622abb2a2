/** The rows of a reduced view as JSON, as many together as were reduced together. */
import { isTurnOver, nextTurn } from '../base/time-slice.ts'
import type { RowReader } from '../indexes/api.ts'
import { stringText } from '../json/writer.ts'
import { type Group, type GroupOptions, groupsOf, type KeyedRange } from './groups.ts'
import type { Reduced, Reduction } from './reduction.ts'

/** Who asks for few, or reads few, waits for few. */
const FIRST_GROUPS = 8
const MOST_GROUPS = 256

const KEY = Buffer.from('{"key":')
const VALUE = Buffer.from(',"value":')
const END = Buffer.from('}')

/**
 * Each is an object with `key` and `value`, or with the error of a reduction that is too long, whose key is null as in CouchDB.
 * Rejects when the signal is aborted.
 */
export async function* reducedRows(
  tree: RowReader,
  ranges: Iterable<KeyedRange>,
  options: GroupOptions,
  reduction: Reduction,
  signal: AbortSignal,
): AsyncGenerator<Buffer[], void, void> {
  let most = FIRST_GROUPS
  let groups: Group[] = []
  const reduced = async (): Promise<Buffer[]> => {
    const results = await reduction.reduce(groups, signal)
    const rows = results.map((result, i) => rowOf(groups[i]!.key, result))
    groups = groups.slice(results.length)
    return rows
  }
  for (const group of groupsOf(tree, ranges, options)) {
    if (group !== undefined) groups.push(group)
    while (groups.length >= most) {
      most = Math.min(most * 2, MOST_GROUPS)
      yield await reduced()
    }
    if (isTurnOver()) {
      await nextTurn()
      signal.throwIfAborted()
    }
  }
  while (groups.length > 0) yield await reduced()
}

function rowOf(key: Uint8Array, result: Reduced): Buffer {
  if (result instanceof Uint8Array) return Buffer.concat([KEY, key, VALUE, result, END])
  return Buffer.from(`{"key":null,"error":"reduce_overflow_error","reason":${stringText(result.overflow)}}`)
}
