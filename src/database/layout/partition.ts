/**
 * Partitioned databases: every document but design and local ones is in the partition that its id names,
 * `partition:id`, and a partition's documents stand together in the order of ids. Reasons as recorded from
 * CouchDB 3.5.2.
 */
import { DatabaseError } from '../../base/errors.ts'
import { checkDocumentId } from './document-id.ts'
import { DESIGN_PREFIX, LOCAL_PREFIX } from './layout.ts'

/** Throws illegal_partition. */
export function checkPartition(partition: string): void {
  if (partition === '') throw new DatabaseError('illegalPartition', 'Partition must not be empty')
  if (partition.startsWith('_')) {
    throw new DatabaseError('illegalPartition', 'Partition must not start with an underscore')
  }
  if (partition.includes(':')) {
    throw new DatabaseError('illegalPartition', 'Partition must not contain a colon')
  }
}

/**
 * Throws illegal_docid for an id that names no partition, which CouchDB could not find the place of. Weaker than
 * `checkPartitionedId`: what else is wrong with an id is said to who writes it, and readers find nothing.
 */
export function checkNamesPartition(id: string): void {
  if (id.startsWith(DESIGN_PREFIX) || id.startsWith(LOCAL_PREFIX) || id.includes(':')) return
  throw new DatabaseError('illegalDocumentId', 'Doc id must be of form partition:id')
}

/** Throws illegal_docid or illegal_partition unless a partitioned database may hold the id. */
export function checkPartitionedId(id: string): void {
  checkNamesPartition(id)
  if (id.startsWith(DESIGN_PREFIX) || id.startsWith(LOCAL_PREFIX)) return
  const colon = id.indexOf(':')
  checkPartition(id.slice(0, colon))
  checkDocumentId(id.slice(colon + 1))
}

/** Undefined for documents that are in none: design and local ones. */
export function partitionOf(id: string): string | undefined {
  if (id.startsWith(DESIGN_PREFIX) || id.startsWith(LOCAL_PREFIX)) return undefined
  return id.slice(0, id.indexOf(':'))
}

/** The ids of a partition: from `start` on, before `end`. No id is `end` itself. */
export function partitionBounds(partition: string): { start: string; end: string } {
  return { start: `${partition}:`, end: `${partition};` }
}
