/**
 * A database as somebody sees it who may read the documents of his channels alone. Whatever has no answer for him is refused
 * here too, below the table of routes: a member of the interface that is not named here throws.
 */
import { DatabaseError } from '../base/errors.ts'
import type { Database } from '../database/api/database.ts'

/** What says nothing of documents. */
const HARMLESS: ReadonlySet<string | symbol> = new Set<keyof Database>([
  'name',
  'uuid',
  'instanceStartTime',
  'properties',
  'isFresh',
  'refresh',
  'security',
  'ensureFullCommit',
])

export function channelRefusal(): DatabaseError {
  return new DatabaseError(
    'forbidden',
    'You see your channels of this database: this is for its administrators.',
  )
}

export function channelledDatabase(database: Database): Database {
  return new Proxy(database, {
    get(target, property) {
      if (!HARMLESS.has(property)) throw channelRefusal()
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
