/**
 * Databases for tests: on a disk in memory, with a clock that stands still and numbered randomness, or on the
 * engine in a real folder.
 */
import { join } from 'node:path'
import type { Database, DocumentEdit, EditResult, PurgeRequest } from '../../src/database/api/database.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import { createDatabase, type DatabaseOptions, openDatabase } from '../../src/database/open.ts'
import { parseRevision } from '../../src/database/revisions/revision-id.ts'
import { scanDocument } from '../../src/json/documents.ts'
import { MemoryDisk } from './memory-disk.ts'
import type { MemoryStore } from './memory-store.ts'
import './poisoned-pages.ts'

export const NOW_MS = 1_700_000_000_123

export interface TestDatabase {
  disk: MemoryDisk
  database: StoredDatabase
  store(): MemoryStore
  /** Closes it and opens it again. */
  reopen(): Promise<StoredDatabase>
}

let made = 0

export function testOptions(disk: MemoryDisk): DatabaseOptions {
  return {
    openStore: disk.openStore,
    clock: { now: () => NOW_MS, monotonic: () => 0, after: () => () => {} },
    random: (target) => {
      made += 1
      target.fill(made)
    },
  }
}

export async function testDatabase(more: Pick<DatabaseOptions, 'compression'> = {}): Promise<TestDatabase> {
  const disk = new MemoryDisk()
  const options = { ...testOptions(disk), ...more }
  const fixture: TestDatabase = {
    disk,
    database: await createDatabase('/data/a', 'a', options),
    store: () => disk.stores.get('/data/a')!,
    reopen: async () => {
      await fixture.database.close()
      fixture.database = await openDatabase('/data/a', 'a', options)
      return fixture.database
    },
  }
  return fixture
}

/** A database in `folder`, on the engine. */
export async function fileDatabase(
  folder: string,
  options: Pick<DatabaseOptions, 'compression'> = {},
): Promise<Pick<TestDatabase, 'database' | 'reopen'>> {
  const path = join(folder, 'a.nfb')
  const fixture = {
    database: await createDatabase(path, 'a', options),
    reopen: async () => {
      await fixture.database.close()
      fixture.database = await openDatabase(path, 'a', options)
      return fixture.database
    },
  }
  return fixture
}

/** An edit of `body`, given as JSON text or as a value. */
export function edit(
  id: string,
  body: object | string = {},
  more: { rev?: string; deleted?: boolean; revisions?: { start: number; ids: string[] } } = {},
): DocumentEdit {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const scanned = scanDocument(Buffer.from(text))!
  return {
    id,
    deleted: more.deleted === true,
    body: scanned.body,
    term: scanned.term,
    rev: more.rev,
    revisions: more.revisions,
  }
}

/** A replicated edit from its path, newest first: `replicated('a', 3, 'c', 'b', 'a')` is 3-cc..., 2-bb..., 1-aa... */
export function replicated(
  id: string,
  body: object,
  start: number,
  letters: string,
  deleted = false,
): DocumentEdit {
  const ids = [...letters].map((letter) => letter.repeat(32))
  return edit(id, body, { revisions: { start, ids }, deleted, rev: `${start}-${ids[0]}` })
}

/** "3c" is 3-cccc... */
export function rev(short: string): string {
  return `${short.slice(0, -1)}-${short.slice(-1).repeat(32)}`
}

/** A request to purge revisions, given as text. */
export function purgeOf(id: string, revs: readonly string[]): PurgeRequest {
  return { id, revisions: revs.map(parseRevision) }
}

/** The revision of an edit that must have been stored. */
export async function put(database: Database, ...edits: DocumentEdit[]): Promise<string> {
  const results = await database.update(edits)
  const failed = results.find((result) => !result.ok)
  if (failed) throw new Error(`${failed.id}: ${JSON.stringify(failed)}`)
  return results.at(-1)!.rev!
}

export async function replicate(database: Database, ...edits: DocumentEdit[]): Promise<EditResult[]> {
  return database.update(edits, { newEdits: false })
}

interface Failure {
  status: number
  error: string
  reason: string
}

function failureFrom(error: unknown): Failure {
  const { status, error: name, reason } = error as Partial<Failure>
  if (status === undefined || name === undefined || reason === undefined) throw error
  return { status, error: name, reason }
}

/** The results of edits, refusals as a client would see them. */
export async function told(work: Promise<EditResult[]>): Promise<object[]> {
  const results = await work
  return results.map((result) => {
    if (result.ok) return result
    const { refusal, ...refused } = result
    return { ...refused, ...failureFrom(refusal) }
  })
}

/** The error that a client would see, or what the call gave. */
export function outcomeOf<T>(call: () => T): T | Failure {
  try {
    return call()
  } catch (error) {
    return failureFrom(error)
  }
}

/** The same of a promise. */
export async function settled<T>(work: Promise<T>): Promise<T | Failure> {
  try {
    return await work
  } catch (error) {
    return failureFrom(error)
  }
}

/** [id, deleted] of each row of the changes. */
export function changedIds(database: Database, options = {}): [string, boolean][] {
  return [...database.changes(options).rows].map((row) => [row.id, row.deleted])
}

export function listedIds(database: Database, options = {}): string[] {
  return [...database.allDocs(options).rows].map((row) => row.id)
}
