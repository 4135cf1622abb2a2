/** Ranges of keys as clients give them: in the direction of travel. */
import type { Range } from '../../../native-free-btree/index.ts'

/**
 * The range between two keys that are given in the direction of travel; undefined when nothing can be in it.
 */
export function travelRange(
  first: Buffer | undefined,
  last: Buffer | undefined,
  options: { descending?: boolean | undefined; inclusiveEnd?: boolean | undefined },
): Range | undefined {
  const descending = options.descending === true
  const inclusive = options.inclusiveEnd !== false
  const [start, end] = descending ? [last, first] : [first, last]
  if (start !== undefined && end !== undefined && Buffer.compare(start, end) > 0) return undefined
  return {
    start,
    startInclusive: descending ? inclusive : true,
    end,
    endInclusive: descending ? true : inclusive,
  }
}
