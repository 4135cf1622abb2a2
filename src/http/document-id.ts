import { DatabaseError } from '../base/errors.ts'
import { isUtf8 } from './path.ts'

/** Throws illegalDocumentId with CouchDB's reason. */
export function validateDocumentId(id: unknown): asserts id is string {
  const reason = fault(id)
  if (reason !== undefined) throw new DatabaseError('illegalDocumentId', reason)
}

function fault(id: unknown): string | undefined {
  if (typeof id !== 'string') return 'Document id must be a string'
  if (id === '') return 'Document id must not be empty'
  if (id === '_design/' || id === '_local/') return `Illegal document id \`${id}\``
  if (!isUtf8(id)) return 'Document id must be valid UTF-8'
  if (!id.startsWith('_') || id.startsWith('_design/') || id.startsWith('_local/')) return undefined
  return 'Only reserved document ids may start with underscore.'
}

export function isDesignId(id: string): boolean {
  return id.startsWith('_design/')
}

export function isLocalId(id: string): boolean {
  return id.startsWith('_local/')
}
