import { DatabaseError } from '../../base/errors.ts'

/** Throws illegalDocumentId unless a document may have this id. */
export function checkDocumentId(id: string): void {
  const reason = documentIdFault(id)
  if (reason !== null) throw new DatabaseError('illegalDocumentId', reason)
}

function documentIdFault(id: string): string | null {
  if (id === '') return 'Document id must not be empty'
  if (!id.startsWith('_')) return null
  if (id === '_design/' || id === '_local/') return `Illegal document id \`${id}\``
  if (id.startsWith('_design/') || id.startsWith('_local/')) return null
  return 'Only reserved document ids may start with underscore.'
}
