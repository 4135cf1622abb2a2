/** Which errors of the one table an operation may answer, as far as that follows from its declaration. */
import type { ErrorKind } from '../../base/errors.ts'
import type { Right } from '../request/rights.ts'
import type { Operation } from './description.ts'

/** Of every request: its target, its credentials, and a server that cannot do what it should. */
const ALWAYS: readonly ErrorKind[] = [
  'badRequest',
  'uriTooLong',
  'unauthorized',
  'tooManyHashes',
  'hashesBusy',
  'shuttingDown',
  'storageUnavailable',
  'internal',
]

/** Of every request to a database. */
export const DATABASE: readonly ErrorKind[] = [
  'noDatabase',
  'illegalDatabaseName',
  'forbidden',
  'allDatabasesActive',
  'databaseClosed',
  'storageDamaged',
]

/** Of whatever has a body that is read whole. */
const BODY: readonly ErrorKind[] = [
  'invalidJson',
  'badContentType',
  'requestTooLarge',
  'bodiesHeld',
  'clientGone',
]

/** Of whatever writes. */
export const STORING: readonly ErrorKind[] = ['insufficientStorage']

/** Of whatever writes documents, which design documents may refuse. */
export const WRITING: readonly ErrorKind[] = [
  ...STORING,
  'conflict',
  'documentValidation',
  'illegalDocumentId',
  'illegalPartition',
  'invalidDesignDocument',
  'documentTooLarge',
  'requestTooLarge',
  'partitionOverflow',
  'checkOutdated',
  'designFunction',
  'missing',
]

/** Of attachments that come in. */
export const RECEIVING: readonly ErrorKind[] = [
  'attachmentTooLarge',
  'missingStub',
  'digestMismatch',
  'badContentType',
  'clientGone',
]

export const READING: readonly ErrorKind[] = ['missing', 'deleted']

/** Of whatever runs a function of a design document. */
export const CALLING: readonly ErrorKind[] = [...READING, 'designFunction', 'clientGone']

/** Of selectors. */
export const SELECTING: readonly ErrorKind[] = [
  'badArgument',
  'badField',
  'invalidOperator',
  'invalidSelector',
  'invalidSelectorJson',
  'invalidFieldName',
  'invalidField',
  'invalidFields',
  'unsupportedOperator',
  'selectorTimeout',
]

/** Of bodies of Mango. */
export const ASKING: readonly ErrorKind[] = [
  ...SELECTING,
  'invalidKey',
  'missingRequiredKey',
  'invalidString',
  'invalidEmptyString',
  'invalidBoolean',
  'invalidPositiveInteger',
  'invalidNonNegativeInteger',
  'invalidQueryOption',
  'invalidSortJson',
  'invalidSortField',
  'unsupportedMixedSort',
  'invalidIndexName',
]

const OF_DATABASES: ReadonlySet<Right> = new Set<Right>([
  'member',
  'insider',
  'lister',
  'writer',
  'settings',
  'database-admin',
])

/** `isOfDatabase`: its path names a database. Each kind once. */
export function errorsOf(operation: Operation, right: Right, isOfDatabase: boolean): ErrorKind[] {
  const kinds = new Set<ErrorKind>(ALWAYS)
  const add = (more: readonly ErrorKind[]): void => more.forEach((kind) => void kinds.add(kind))
  if (OF_DATABASES.has(right) || isOfDatabase) add(DATABASE)
  if (operation.body !== undefined) add(BODY)
  for (const each of operation.errors ?? []) add(typeof each === 'string' ? [each] : each)
  return [...kinds]
}
