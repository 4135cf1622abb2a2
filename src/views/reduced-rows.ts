/** The rows of a reduced view as JSON: an object with `key` and `value` for each group. */
import { isTurnOver, nextTurn, type Steps } from '../base/time-slice.ts'
import type { RowReader } from '../indexes/api.ts'
import type { BuiltinReduction } from '../indexes/reduce/builtin-reduction.ts'
import { stringText } from '../json/writer.ts'
import { type Group, type GroupOptions, groupsOf, type KeyedRange } from './groups.ts'
import type { Reduced, Reduction } from './reduction.ts'

/** Who asks for few, or reads few, waits for few. */
const FIRST_GROUPS = 8
const MOST_GROUPS = 256

const KEY = Buffer.from('{"key":')
const VALUE = Buffer.from(',"value":')
const END = Buffer.from('}')

/** By a built-in reduce, from the tree's summaries. Undefined after a step that found none to give. */
export function* builtinRows(
  tree: RowReader,
  ranges: Iterable<KeyedRange>,
  options: GroupOptions,
  builtin: BuiltinReduction,
): Generator<Buffer | undefined, void, void> {
  for (const group of groupsOf(tree, ranges, options)) {
    if (group === undefined) {
      yield undefined
      continue
    }
    const { key, range, rows } = group
    const result = (rows && builtin.resultOfRows(rows)) ?? (yield* stepped(builtin.resultSteps(range)))
    if (result === undefined) throw new Error('a group without rows')
    yield rowOf(key, result)
  }
}

/**
 * By a function that somebody else runs: as many rows together as were reduced together. One whose reduction is too long has an
 * error, and null for a key, as in CouchDB. Rejects when the signal is aborted.
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

function* stepped<T>(steps: Steps<T>): Generator<undefined, T, void> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    yield undefined
  }
}
