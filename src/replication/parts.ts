/** What replications are given from outside: they open no file, read no clock and draw no random number by themselves. */
import type { PasswordHasher } from '../auth/password-hash.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { RandomBytes } from '../base/random.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Database } from '../database/api/database.ts'
import type { DesignDocuments } from '../design/design-documents.ts'
import type { Connections } from './http/connections.ts'

/** The right to use a database until `release`. */
export interface DatabaseLease {
  readonly database: Database
  /** Aborted when the database is deleted or the server stops. */
  readonly signal: AbortSignal
  release(): void
}

/** The databases of this server, in the thread that replicates. */
export interface LocalDatabases {
  /** Rejects with noDatabase and others. */
  lease(name: string): Promise<DatabaseLease>
  /** Rejects with databaseExists and others. */
  create(
    name: string,
    options: { shards?: number | undefined; partitioned?: boolean | undefined },
  ): Promise<void>
  watch(name: string, watcher: { changed(): void; deleted(): void }): () => void
}

export interface ReplicationParts {
  readonly databases: LocalDatabases
  readonly designs: DesignDocuments
  readonly metrics: Metrics
  readonly clock: Clock
  readonly random: RandomBytes
  readonly hasher: Pick<PasswordHasher, 'hash'>
  readonly settings: SettingsRegistry
  readonly log: Log
  readonly connections: Connections
  /** Of the server. */
  readonly uuid: string
  /** Davenport's. */
  readonly version: string
}
