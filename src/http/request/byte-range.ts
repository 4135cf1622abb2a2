import { DatabaseError } from '../../base/errors.ts'

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  start: number
  end: number
}

/** CouchDB ignores the header where it names as many ranges as this. */
const MAX_RANGES = 10

/**
 * The ranges that a Range header asks for, of `length` bytes; undefined where everything is to be sent: no
 * header, one that cannot be read, or a range that begins at 0 without an end, as in CouchDB. A suffix longer
 * than the whole is the whole (where CouchDB counts from the wrong end). Throws rangeNotSatisfiable.
 */
export function parseByteRanges(header: string | undefined, length: number): ByteRange[] | undefined {
  const list = /^bytes=(.*)$/.exec(header ?? '')?.[1]
  if (list === undefined) return undefined
  const ranges: ByteRange[] = []
  const items = list.split(',').map((item) => item.trim())
  for (const item of items.filter((text) => text !== '')) {
    const found = /^(\d*)-(\d*)$/.exec(item)
    if (found === null || item === '-') return undefined
    const [, first, last] = found
    if (last === '' && Number(first) === 0) return undefined
    ranges.push(resolved(first!, last!, length))
  }
  return ranges.length === 0 || ranges.length >= MAX_RANGES ? undefined : ranges
}

function resolved(first: string, last: string, length: number): ByteRange {
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? length - 1 : Math.min(Number(last), length - 1)
  if (end < start) throw new DatabaseError('rangeNotSatisfiable')
  return { start, end }
}

/** `bytes 0-3/10`. */
export function contentRange({ start, end }: ByteRange, length: number): string {
  return `bytes ${start}-${end}/${length}`
}
