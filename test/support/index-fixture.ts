/** Indexes of a whole server without its HTTP: definitions, documents, and all rows of an index. */
import { createHash } from 'node:crypto'
import { MessageChannel } from 'node:worker_threads'
import { systemClock } from '../../src/base/clock.ts'
import type { Database } from '../../src/database/api/database.ts'
import { openFollowed } from '../../src/database/shared/open-followed.ts'
import type { Freshness, IndexDefinition, Indexes, ViewsDefinition } from '../../src/indexes/api.ts'
import { LocalIndexes } from '../../src/indexes/local-indexes.ts'
import type { Server } from '../../src/server/server.ts'
import type { CoreVocabulary, FrontVocabulary } from '../../src/threads/front-channel.ts'
import { FrontService } from '../../src/threads/front-service.ts'
import { remoteIndexes } from '../../src/threads/remote-indexes.ts'
import { remoteWriter } from '../../src/threads/remote-writer.ts'
import { Channel } from '../../src/workers/channel.ts'

export type Row = readonly [key: unknown, id: string, value: unknown]

const NEVER = new AbortController().signal

/** Views by name: a map and the reduces of its tree. */
export function viewsDefinition(
  views: Record<string, { map: string; reduces?: readonly string[] }>,
  others: Partial<ViewsDefinition> = {},
): ViewsDefinition {
  const maps = Object.fromEntries(Object.entries(views).map(([name, { map }]) => [name, { map }]))
  const design = Buffer.from(JSON.stringify({ views: maps }))
  return {
    kind: 'views',
    signature: createHash('md5')
      .update(JSON.stringify([views, others]))
      .digest('hex'),
    trees: Object.entries(views).map(([name, { reduces = [] }]) => ({ name, reduces, isRaw: false })),
    design,
    withDesignDocuments: false,
    withLocalSeq: false,
    isPartitioned: false,
    ...others,
  }
}

/** All rows, of each tree. */
export async function rowsOf(
  indexes: Indexes,
  database: Database,
  definition: IndexDefinition,
  options: { freshness?: Freshness; signal?: AbortSignal } = {},
): Promise<Row[][]> {
  const { freshness = 'current', signal = NEVER } = options
  const snapshot = await indexes.open(database, definition, { freshness, signal })
  try {
    return snapshot.trees.map((tree) => {
      const rows: Row[] = []
      const cursor = tree.cursor({})
      while (cursor.next()) {
        rows.push([JSON.parse(cursor.key().toString()), cursor.id(), JSON.parse(cursor.value().toString())])
      }
      return rows
    })
  } finally {
    snapshot.close()
  }
}

/** A thread that serves requests, as far as it reads indexes, in this one. */
export interface Front {
  readonly indexes: LocalIndexes
  /** A follower of the database. */
  open(name: string): Promise<Database>
  close(): Promise<void>
}

export function frontOf(server: Server): Front {
  const { port1, port2 } = new MessageChannel()
  const service = new FrontService({ server, port: port1, onListening: () => undefined })
  const core = new Channel<FrontVocabulary, CoreVocabulary>({
    port: port2,
    handlers: {
      hasHeard: () => undefined,
      measure: () => Promise.reject(new Error('not measured')),
      look: () => Promise.reject(new Error('not looked at')),
    },
    listeners: {} as never,
  })
  const indexes = new LocalIndexes({ service: remoteIndexes(core), clock: systemClock, mostOpen: 10 })
  const databases: Database[] = []
  return {
    indexes,
    async open(name) {
      const { handle, shared } = await core.ask('open', { name, kind: 'documents' })
      const database = await openFollowed(shared, remoteWriter(core, handle))
      databases.push(database)
      return database
    },
    async close() {
      await indexes.close()
      for (const database of databases) await database.close().catch(() => undefined)
      core.end(new Error('closed'))
      service.end()
    },
  }
}

/** What `index-server.ts` builds. */
export const KILLED_VIEWS = viewsDefinition({
  byN: {
    map: 'function (doc) { emit(doc.n, doc.text); emit([doc.n % 10, doc._id], null) }',
    reduces: ['_count'],
  },
})
