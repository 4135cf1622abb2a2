import type { Resource } from '../resource.ts'
import { copyDocument } from './copy.ts'
import { postToDocument } from './document-form.ts'
import { readDocument } from './document-read.ts'
import { deleteDocument, putDocument } from './document-write.ts'

/** `/{db}/{id}`, design documents included. */
export const documentResources: Resource[] = [
  {
    route: 'db/document',
    access: 'member',
    allow: 'DELETE,GET,HEAD,POST,PUT,COPY',
    methods: {
      GET: readDocument,
      PUT: putDocument,
      DELETE: deleteDocument,
      POST: postToDocument,
      COPY: copyDocument,
    },
  },
]
