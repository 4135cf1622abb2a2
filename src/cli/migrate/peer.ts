/** What a migration needs of whoever speaks HTTP for it. */
import type { RemotePlace, ReplicationRunner } from '../../replication/api.ts'
import type { ReplicationDefaults } from '../../replication/job-parser.ts'

export interface PeerCall {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Behind the URL, encoded; '' for the URL itself. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Longest answer, bytes. */
  readonly mostBytes?: number
}

export interface PeerReply {
  readonly status: number
  readonly value: unknown
}

export interface MigrationPeer {
  /** Repeats what fails for a while. Rejects with a ReplicationError, and with the signal's reason. */
  call(call: PeerCall, signal: AbortSignal): Promise<PeerReply>
  close(): void
}

/** Opened for one migration. */
export interface MigrationParts {
  readonly runner: ReplicationRunner
  readonly defaults: ReplicationDefaults
  open(place: RemotePlace): MigrationPeer
  close(): Promise<void>
}
