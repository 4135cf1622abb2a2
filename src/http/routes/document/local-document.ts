import { DatabaseError } from '../../../base/errors.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import { asLocalDocument } from '../../../documents/document-edit.ts'
import { validateDocumentId } from '../../../documents/document-id.ts'
import { localText } from '../../../documents/document-text.ts'
import { revisionOfPath } from '../../../documents/revision.ts'
import { type Answer, bare, json, jsonText } from '../../answer/answer.ts'
import { contentEtag } from '../../answer/etag.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { RouteName } from '../../request/rights.ts'
import { headerRevision, writtenStatus } from '../../request/writes.ts'
import type { Resource } from '../resource.ts'
import { copyDocument } from './copy.ts'
import { postToDocument } from './document-form.ts'
import { parseReadParameters, readOpenRevisions, withNewline } from './document-read.ts'
import { bodyDocument, editedRevisions } from './document-write.ts'

/** `/{db}/_local/{id}`: replicated by nobody, in no listing but its own, without history. */
const LOCAL_PREFIX = '_local/'

function nameOf(exchange: Exchange): string {
  return exchange.id.slice(LOCAL_PREFIX.length)
}

/** Local documents have no revisions that could be named: one that is asked for is missing, but for its latest. */
function readLocal(exchange: Exchange): Answer {
  const parameters = parseReadParameters(exchange.query)
  const { rev, latest, openRevs } = parameters
  if (openRevs !== undefined) return readOpenRevisions(exchange, openRevs, parameters)
  if (rev !== undefined && !latest) throw new DatabaseError('missing')
  const document = isUtf8(exchange.id) ? exchange.database.getLocal(nameOf(exchange)) : undefined
  if (document === undefined) throw new DatabaseError('missing')
  const text = localText(document, { revs: parameters.revs === true })
  const etag = contentEtag(document.rev, document.body)
  if (exchange.matchesEtag(etag)) return bare(304, { etag })
  return jsonText(200, withNewline(text), { etag })
}

async function putLocal(exchange: Exchange): Promise<Answer> {
  validateDocumentId(exchange.id, exchange.limits.maxIdBytes)
  const document = asLocalDocument(await bodyDocument(exchange))
  const location = exchange.documentUri(exchange.id)
  const path = editedRevisions(exchange, document)
  const given = path === undefined ? undefined : revisionOfPath(path)
  const { database, id } = exchange
  const rev = document.deleted
    ? await database.deleteLocal(nameOf(exchange), given)
    : await database.putLocal(nameOf(exchange), document.body, given)
  const etag = contentEtag(rev, document.body)
  return json(
    writtenStatus(exchange, document.deleted ? 200 : 201),
    { ok: true, id, rev },
    { etag, location },
  )
}

async function deleteLocal(exchange: Exchange): Promise<Answer> {
  const { database, id } = exchange
  validateDocumentId(id)
  if (database.getLocal(nameOf(exchange)) === undefined) throw new DatabaseError('missing')
  const rev = await database.deleteLocal(
    nameOf(exchange),
    headerRevision(exchange, exchange.query.get('rev')),
  )
  return json(
    writtenStatus(exchange, 200),
    { ok: true, id, rev },
    { etag: contentEtag(rev, Buffer.alloc(0)) },
  )
}

function refuse(reason: string): () => never {
  return () => {
    throw new DatabaseError('badRequest', reason)
  }
}

function refusing(route: RouteName, reason: string): Resource {
  const handler = refuse(reason)
  const methods = { GET: handler, PUT: handler, POST: handler, DELETE: handler, COPY: handler }
  return { route, allow: 'GET', methods }
}

export const localDocumentResources: Resource[] = [
  {
    route: 'db/local',
    body: 'documents',
    allow: 'DELETE,GET,HEAD,POST,PUT,COPY',
    methods: {
      GET: readLocal,
      PUT: putLocal,
      DELETE: deleteLocal,
      POST: postToDocument,
      COPY: copyDocument,
    },
  },
  refusing('db/local-nameless', 'Invalid _local document id.'),
  refusing('db/local-attachment', '_local documents do not accept attachments.'),
]
