import { DatabaseError } from '../../base/errors.ts'
import { type Answer, bare } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { isUtf8 } from '../path.ts'
import type { Resource } from '../resource.ts'
import { readRevision } from '../revision.ts'

/** `/{db}/{id}/{name}`. No document has attachments yet, so reads find none and writes are refused. */
function read(exchange: Exchange): Answer {
  const rev = exchange.query.get('rev')
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  exchange.database.get(exchange.id, rev === undefined ? {} : { rev: readRevision(rev) })
  throw new DatabaseError('missing', 'Document is missing attachment')
}

function write(): Answer {
  throw new DatabaseError('notImplemented', 'attachments are not implemented')
}

/** A function of a design document: the document must exist before anything else is said. */
function designFunction(exchange: Exchange): Answer {
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  exchange.database.get(exchange.id)
  throw new DatabaseError('notImplemented', `${exchange.place.rest[0]} is not implemented`)
}

/** `_design%2Fname` is one name with an escaped slash; readers are sent to the usual spelling. */
function redirectToDesign(exchange: Exchange): Answer {
  const location = exchange.rawTarget.replace(/_design%2f/i, '_design/')
  return bare(301, { location: exchange.absoluteUri(location) })
}

const DESIGN_METHODS = ['GET', 'POST', 'PUT', 'DELETE']

export const attachmentResources: Resource[] = [
  {
    route: 'db/attachment',
    access: 'member',
    allow: 'DELETE,GET,HEAD,PUT',
    methods: { GET: read, PUT: write, DELETE: read },
  },
  {
    route: 'db/design-function',
    access: 'member',
    allow: DESIGN_METHODS.join(','),
    methods: Object.fromEntries(DESIGN_METHODS.map((method) => [method, designFunction])),
  },
  { route: 'db/design-redirect', access: 'member', allow: 'GET,HEAD', methods: { GET: redirectToDesign } },
]
