import type { Resource } from '../resource.ts'
import { copyDocument } from './copy.ts'
import { postToDocument } from './document-form.ts'
import { patchDocument } from './document-patch.ts'
import { readDocument } from './document-read.ts'
import { deleteDocument, putDocument } from './document-write.ts'

/** What CouchDB lists; PATCH is beside that. */
const ALLOW = 'DELETE,GET,HEAD,POST,PUT,COPY'

/** `/{db}/{id}`, design documents included. */
export const documentResources: Resource[] = [
  {
    route: 'db/document',
    body: { PUT: 'documents', POST: 'documents', PATCH: 'filter' },
    allow: ALLOW,
    methods: {
      GET: readDocument,
      PUT: putDocument,
      DELETE: deleteDocument,
      POST: postToDocument,
      COPY: copyDocument,
      PATCH: patchDocument(ALLOW),
    },
  },
]
