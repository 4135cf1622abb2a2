/**
 * `_top_N` and `_bottom_N`: the N largest or smallest values in the order of views, the first of equal ones.
 *
 * A summary is JSON: LIST and an array of values in their order, as they were emitted; ONE and a row's value.
 */
import { compareValues } from '../../json/collation.ts'
import {
  EMPTY_SUMMARY,
  isTooLong,
  jsonSummary,
  LONG_SUMMARY,
  NOTHING,
  type Row,
  type Summarizer,
  textOf,
  textSummary,
} from './summarizer.ts'

const ONE = 1
const LIST = 2

interface Value {
  readonly text: string
  readonly value: unknown
}

/** The array of a LIST is that of the values' texts: numbers stay as they are. */
export function ranking(order: 'top' | 'bottom', most: number): Summarizer {
  const sign = order === 'top' ? -1 : 1
  const compare = (a: Value, b: Value): number => sign * compareValues(a.value, b.value)
  return {
    name: `${order} ${most}`,
    mustShrink: false,

    map({ value }: Row, mostBytes: number): Uint8Array {
      return jsonSummary(ONE, value, mostBytes)
    },

    combine(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
      if (parts.some(isTooLong)) return LONG_SUMMARY
      let values: Value[] = []
      for (const part of parts) if (part[0] !== NOTHING) for (const each of valuesOf(part)) values.push(each)
      if (values.length === 0) return EMPTY_SUMMARY
      values.sort(compare)
      values = values.filter((each, i) => i === 0 || compare(values[i - 1]!, each) !== 0).slice(0, most)
      return textSummary(LIST, JSON.stringify(values.map((each) => each.text)), mostBytes)
    },

    result(summary: Uint8Array): string {
      return `[${valuesOf(summary)
        .map((each) => each.text)
        .join(',')}]`
    },
  }
}

function valuesOf(summary: Uint8Array): Value[] {
  const text = textOf(summary)
  const texts = summary[0] === ONE ? [text] : (JSON.parse(text) as string[])
  return texts.map((each) => ({ text: each, value: JSON.parse(each) as unknown }))
}
