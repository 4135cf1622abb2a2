import { DatabaseError } from '../../base/errors.ts'

/**
 * Whether gzip is accepted, by an Accept-Encoding header. Throws notAcceptable where it refuses both gzip and
 * identity, badRequest where it cannot be read.
 */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false
  const weights = new Map<string, number>()
  for (const item of header.split(',')) {
    const found = /^\s*([\w*-]+)\s*(?:;\s*q\s*=\s*(\d(?:\.\d{0,3})?)\s*)?$/i.exec(item)
    if (found === null) {
      if (item.trim() === '') continue
      throw new DatabaseError('badRequest', 'invalid Accept-Encoding header')
    }
    weights.set(found[1]!.toLowerCase(), Number(found[2] ?? 1))
  }
  const others = weights.get('*')
  const gzip = (weights.get('gzip') ?? others ?? 0) > 0
  const identity = (weights.get('identity') ?? others ?? 1) > 0
  if (!gzip && !identity) throw new DatabaseError('notAcceptable')
  return gzip
}
