/**
 * Names of databases, and the files that they live in.
 *
 * A name's parts between slashes become folders and the last one a file with the extension, so that every
 * part may be as long as CouchDB allows: `a/b` is `a/b.davenport`. An empty part is written `%`. Names have no
 * capitals, no `.` and no `%`, so no two of them share a file, on file systems that fold case either, and a
 * folder never has the name of a file.
 */
import { join, relative, sep } from 'node:path'
import { DatabaseError } from '../base/errors.ts'

export const DATABASE_EXTENSION = '.davenport'

const NAME = /^[a-z][a-z0-9_$()+/-]*$/
const SYSTEM_NAMES: ReadonlySet<string> = new Set(['_users', '_replicator', '_global_changes'])
const EMPTY_PART = '%'
/** What a file name of 255 bytes leaves beside CouchDB's ".TIMESTAMP.couch". */
const MAX_LAST_PART = 238
const MAX_PART = 255

export function isDatabaseName(name: string): boolean {
  return NAME.test(name) || SYSTEM_NAMES.has(name)
}

/** Throws illegal_database_name or database_name_too_long, with CouchDB's reasons. */
export function checkDatabaseName(name: string): void {
  if (!isDatabaseName(name)) {
    throw new DatabaseError(
      'illegalDatabaseName',
      `Name: '${name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters ` +
        '_, $, (, ), +, -, and / are allowed. Must begin with a letter.',
    )
  }
  const parts = name.split('/')
  if (parts.at(-1)!.length > MAX_LAST_PART || parts.some((part) => part.length > MAX_PART)) {
    throw nameTooLong(name)
  }
}

export function nameTooLong(name: string): DatabaseError {
  return new DatabaseError('databaseNameTooLong', `At least one path segment of \`${name}\` is too long.`)
}

/** The file of a well-formed name, under `root`. */
export function pathOfDatabase(root: string, name: string): string {
  const parts = name.split('/').map((part) => (part === '' ? EMPTY_PART : part))
  return `${join(root, ...parts)}${DATABASE_EXTENSION}`
}

/** The name that a file under `root` stands for; undefined for files that are no database's. */
export function nameOfPath(root: string, path: string): string | undefined {
  const inside = relative(root, path)
  if (!inside.endsWith(DATABASE_EXTENSION)) return undefined
  const parts = inside.slice(0, -DATABASE_EXTENSION.length).split(sep)
  const name = parts.map((part) => (part === EMPTY_PART ? '' : part)).join('/')
  return isDatabaseName(name) && pathOfDatabase(root, name) === path ? name : undefined
}
