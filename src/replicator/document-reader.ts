import type { ReplicationJob } from '../replication/api.ts'
import { parseJob, type ReplicationDefaults } from '../replication/job-parser.ts'
import { parsedDocument } from './documents/replicator-document.ts'
import { type JobOwnerOptions, jobOwner } from './job-owner.ts'

export interface DocumentReaderOptions extends JobOwnerOptions {
  /** Read at each document. */
  defaults: ReplicationDefaults
}

/** What a document asks for, with the rights that it has. */
export class DocumentReader {
  readonly #options: DocumentReaderOptions

  constructor(options: DocumentReaderOptions) {
    this.#options = options
  }

  /** Rejects with what `documentFault` knows, and with what keeps its owner from being looked up. */
  async read(database: string, docId: string, body: Uint8Array): Promise<ReplicationJob> {
    const document = await parsedDocument(body)
    const owner = await jobOwner(document['owner'], document['user_ctx'], this.#options)
    const job = parseJob(document, owner, { ...this.#options.defaults })
    return { ...job, origin: { database, docId } }
  }
}
