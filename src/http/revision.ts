import { DatabaseError } from '../base/errors.ts'

/**
 * Revisions as clients write them: a generation, a dash, and either 32 hex digits in either case or any
 * other text, which CouchDB keeps literally.
 */
export interface Revision {
  start: number
  id: string
}

/** Throws badRequest `Invalid rev format`, also for what is no string. */
export function parseRevision(value: unknown): Revision {
  const match = typeof value === 'string' ? /^([+-]?[0-9]+)-(.*)$/s.exec(value) : null
  if (match === null) throw invalid()
  return { start: Number(match[1]), id: parseRevisionId(match[2]!) }
}

/** A list of revisions. Throws badRequest. */
export function parseRevisions(value: unknown): string[] {
  if (!Array.isArray(value)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
  return value.map((item) => revisionText(parseRevision(item)))
}

/** Hex in lower case. Throws badRequest for 32 characters that are not all hex. */
export function parseRevisionId(id: string): string {
  if (id.length !== 32) return id
  if (!/^[0-9a-fA-F]{32}$/.test(id)) throw invalid()
  return id.toLowerCase()
}

export function revisionText(revision: Revision): string {
  return `${revision.start}-${revision.id}`
}

function invalid(): DatabaseError {
  return new DatabaseError('badRequest', 'Invalid rev format')
}
