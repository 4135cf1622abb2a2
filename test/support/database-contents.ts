import { createHash } from 'node:crypto'
import type { Database, DocumentView, OwnedDatabase } from '../../src/database/api/database.ts'

async function viewContents(view: DocumentView) {
  const attachments: unknown[] = []
  for (const attachment of view.attachments()) {
    const { name, type, md5, length, revpos, encoding } = attachment
    const hash = createHash('sha1')
    for await (const chunk of attachment.storedBytes()) hash.update(chunk)
    attachments.push({
      name,
      type,
      md5: md5.toString('hex'),
      length,
      revpos,
      encoding,
      bytes: hash.digest('hex'),
    })
  }
  const { id, rev, deleted, localSeq, expiresAtMs = null } = view
  const { start, ids } = view.revisions()
  return {
    id,
    rev,
    deleted,
    localSeq,
    expiresAtMs,
    body: view.body().toString(),
    revisions: [start, ...ids],
    attachments,
  }
}

/** All that can be asked of a database and that a compaction must keep, as plain values. */
export async function databaseContents(database: OwnedDatabase | Database) {
  const { docCount, docDelCount, purgeSeq, updateSeq, sizes } = database.info()
  const documents: unknown[] = []
  const changes: unknown[] = []
  for (const { id, seqNumber, deleted, revs } of database.changes({ style: 'all_docs' }).rows) {
    changes.push({ id, seqNumber, deleted, revs })
    for (const opened of database.openRevs(id, 'all')) {
      if ('ok' in opened) documents.push(await viewContents(opened.ok))
    }
  }
  const number = (seq: string): string => seq.split('-')[0]!
  return {
    docCount,
    docDelCount,
    purgeSeq: number(purgeSeq),
    updateSeq: number(updateSeq),
    external: sizes.external,
    ids: [...database.allDocs().rows].map(({ id, rev }) => `${id} ${rev}`),
    documents,
    changes,
    locals: [...database.localDocs()].map(({ id, rev, body }) => ({ id, rev, body: body.toString() })),
    purges: [...database.purgedInfos()],
    security: database.security()?.toString(),
    revsLimit: database.revsLimit(),
    nextExpiry: 'nextExpiry' in database ? database.nextExpiry() : undefined,
    uuid: database.uuid,
    instanceStartTime: database.instanceStartTime,
  }
}
