/** What a database of this server refuses for reasons of its own ends a batch: no document is counted as done with. */
import t from 'tap'
import { DatabaseError, type ErrorKind } from '../../src/base/errors.ts'
import type { Database, EditResult } from '../../src/database/api/database.ts'
import type { TransferredDocument } from '../../src/replication/endpoint.ts'
import { LocalTarget } from '../../src/replication/local/local-target.ts'
import type { DatabaseLease, ReplicationParts } from '../../src/replication/parts.ts'
import { testDatabase } from '../support/database-fixture.ts'

const SETTINGS: Readonly<Record<string, unknown>> = { maxDocumentSize: 1_000_000, maxDocumentIdLength: 100 }

async function target(update: () => Promise<EditResult[]>): Promise<LocalTarget> {
  const { database } = await testDatabase()
  const refusing = new Proxy(database, {
    get: (of, name) => {
      const value: unknown = name === 'update' ? update : Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  }) as Database
  const lease = async (): Promise<DatabaseLease> => ({
    database: refusing,
    signal: new AbortController().signal,
    release: () => {},
  })
  const parts = {
    databases: { lease },
    settings: { get: (name: string) => SETTINGS[name] },
    designs: { validators: () => [], validation: () => undefined },
  } as unknown as ReplicationParts
  const owner = { name: 'admin', roles: ['_admin'] }
  return new LocalTarget({ parts, name: 'a', owner, shown: 'a' })
}

const DOCUMENTS = ['a', 'b'].map(
  (id): TransferredDocument => ({
    id,
    rev: `1-${'a'.repeat(32)}`,
    deleted: false,
    body: Buffer.from('{}'),
    revisions: { start: 1, ids: ['a'.repeat(32)] },
    attachments: [],
  }),
)

t.test('as a whole, and of one document', async (t) => {
  const { signal } = new AbortController()
  const isCounted: Partial<Record<ErrorKind, boolean>> = {
    tooManyHashes: false,
    noDatabase: false,
    insufficientStorage: false,
    databaseClosed: false,
    forbidden: true,
    documentTooLarge: true,
  }
  for (const [kind, counts] of Object.entries(isCounted)) {
    const refusal = new DatabaseError(kind as ErrorKind)
    const whole = await target(() => Promise.reject(refusal))
    const single = await target(async () =>
      DOCUMENTS.map(({ id, rev }) => ({ ok: false, id, rev, refusal }) as unknown as EditResult),
    )
    for (const each of [whole, single]) {
      if (counts) t.equal((await each.write(DOCUMENTS, signal)).length, 2, kind)
      else
        await t.rejects(each.write(DOCUMENTS, signal), { name: 'ReplicationError', isTransient: true }, kind)
    }
  }
})
