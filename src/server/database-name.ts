/**
 * Names of databases, and the files that they live in.
 *
 * A name's parts between slashes become folders and the last one a file with the extension, so that every
 * part may be as long as CouchDB allows: `a/b` is `a/b.davenport`. An empty part is written `%`; of a long part
 * every 128 characters but the last are a folder ending in `%`, so that there is room for the suffixes that the
 * file's companions (locks, temporaries) add, within the 255 bytes that file systems allow. Names have no
 * capitals, no `.` and no `%`, so no two of them share a file, on file systems that fold case either, and a
 * folder never has the name of a file. A database that was made with `q=8` is `b.q8.davenport`: the number means
 * nothing here and is kept because `GET /{db}` answers it.
 */
import { join, relative, sep } from 'node:path'
import { DatabaseError } from '../base/errors.ts'

export const DATABASE_EXTENSION = '.davenport'

const NAME = /^[a-z][a-z0-9_$()+/-]*$/
const SYSTEM_NAMES: ReadonlySet<string> = new Set(['_users', '_replicator', '_global_changes'])
const EMPTY_PART = '%'
const CONTINUES = '%'
const PIECE_LENGTH = 128
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

/** What `q` may be: the file's name must hold it. */
export const MAX_SHARDS = 99_999

/** The file of a well-formed name, under `root`. `shards` is the `q` it was made with. */
export function pathOfDatabase(root: string, name: string, shards: number | undefined): string {
  const parts = name.split('/').flatMap(piecesOf)
  const mark = shards === undefined ? '' : `.q${shards}`
  return `${join(root, ...parts)}${mark}${DATABASE_EXTENSION}`
}

/** What a file under `root` stands for; undefined for files that are no database's. */
export function databaseOfPath(
  root: string,
  path: string,
): { name: string; shards: number | undefined } | undefined {
  const match = /^([^.]+)(?:\.q([1-9]\d{0,4}))?\.davenport$/.exec(relative(root, path))
  if (match === null) return undefined
  const name = nameOfPieces(match[1]!.split(sep))
  const shards = match[2] === undefined ? undefined : Number(match[2])
  return isDatabaseName(name) && pathOfDatabase(root, name, shards) === path ? { name, shards } : undefined
}

function piecesOf(part: string): string[] {
  if (part === '') return [EMPTY_PART]
  const pieces: string[] = []
  let rest = part
  for (; rest.length > PIECE_LENGTH; rest = rest.slice(PIECE_LENGTH)) {
    pieces.push(rest.slice(0, PIECE_LENGTH) + CONTINUES)
  }
  return [...pieces, rest]
}

function nameOfPieces(pieces: readonly string[]): string {
  let name = ''
  for (const [index, piece] of pieces.entries()) {
    const isLast = index === pieces.length - 1
    if (piece === EMPTY_PART) name += isLast ? '' : '/'
    else if (piece.endsWith(CONTINUES)) name += piece.slice(0, -1)
    else name += isLast ? piece : `${piece}/`
  }
  return name
}
