import type { Steps } from '../base/time-slice.ts'
import type { Database } from '../database/api/database.ts'
import type { Pack } from '../database/attachments/content.ts'

/** Counts the memory that what comes in takes. */
export interface MemoryHold {
  /** Takes room for so many more bytes; undefined where there is some now. Rejects where there will be none. */
  grow(bytes: number): Promise<void> | undefined
  /** Counts bytes without waiting for room: of what is a bounded multiple of bytes that have theirs. */
  add(bytes: number): void
}

/** Who hands documents in, one request or one replication: where they go, and what they may take. */
export interface Intake {
  readonly database: Pick<Database, 'takeAttachment'>
  readonly limits: {
    /** Bytes of a JSON text, which is held in memory. */
    readonly maxJsonBytes: number
    /** Bytes of a document's canonical body. */
    readonly maxDocumentBytes: number
    /** Bytes of a document's id. */
    readonly maxIdBytes: number
    /** Bytes of one attachment as it is received. */
    readonly maxAttachmentBytes: number
  }
  /** How content of a type is packed; undefined for what is stored as it is. */
  readonly compression: { packFor(contentType: string): Pack | undefined }
  readonly hold: MemoryHold
  /** Does long work in slices. Rejects as the steps throw, and when nobody wants the result any more. */
  inTurns<T>(steps: Steps<T>): Promise<T>
}
