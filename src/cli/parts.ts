/** What the command line needs of the layers below it, given by `main.ts` so that tests can give others. */

import type { FileInspection } from '../../native-free-btree/index.ts'
import type { Metrics } from '../base/metrics.ts'
import type { CacheFigures } from '../base/thread-figures.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { RunningGateway } from '../gateway/start-gateway.ts'
import type { DatabaseOpener } from '../server/registry.ts'
import type { AcquireLock, Server } from '../server/server.ts'
import type { MigrationParts } from './migrate/peer.ts'

export interface Listener {
  /** With scheme and port, without a slash at the end. */
  readonly url: string
  /** Of everything that it listens on, the one above first; a Unix socket's is `unix:PATH`. */
  readonly urls: readonly string[]
  /** Takes no new requests, lets running ones finish for `graceMs`, then ends them. */
  stop(graceMs: number): Promise<void>
}

export interface StoreProblem {
  where: string
  what: string
}

/** A store opened for reading only. */
export interface InspectedStore {
  readonly uuid: string
  readonly commit: number
  /** What opening found: "clean", "replayed", "cut". */
  readonly recovery: { outcome: string; cutBytes: number; cutAt: number }
  /** Walks everything. */
  check(onProgress?: (done: number, total: number) => void): Promise<{
    problems: StoreProblem[]
    problemCount: number
    /** What a power cut leaves and the next opening recovers from. */
    leftovers: StoreProblem[]
    groups: number
    nodes: number
    entries: number
    values: number
    bytes: number
  }>
  stats(): {
    fileBytes: number
    trees: Record<string, { count: number; bytes: number; depth: number }>
  }
  close(): Promise<void>
}

export interface Parts {
  version: string
  acquireLock: AcquireLock
  /** How databases are opened under some settings: cache, limits. */
  databaseOpener(settings: SettingsRegistry, metrics: Metrics): DatabaseOpener & { cache: CacheFigures }
  startHttp(server: Server): Promise<Listener>
  /** Serves Sync Gateway's API as the text of a configuration file says. Rejects with ConfigError. */
  startGateway(server: Server, opener: DatabaseOpener, configuration: string): Promise<RunningGateway>
  openStore(path: string): Promise<InspectedStore>
  /** Opens a file to tell what its bytes are. */
  openInspection(path: string): Promise<FileInspection>
  /** Compacts a file that nobody has open. Resolves with its lengths. */
  compactFile(
    path: string,
    onProgress: (done: number, total: number) => void,
  ): Promise<{ bytesBefore: number; bytesAfter: number; resumed: boolean }>
  /** What replicates without a server, under the settings of the environment. Rejects with ConfigError. */
  openMigration(environment: Console['environment']): Promise<MigrationParts>
}

/** The process, as the commands see it. */
export interface Console {
  environment: Readonly<Record<string, string | undefined>>
  out(text: string): void
  err(text: string): void
  /** Whether `err` writes to a terminal. */
  errIsTerminal: boolean
  /** Calls `listener` at every SIGINT and SIGTERM; returns the way to stop that. */
  onStopSignal(listener: (signal: string) => void): () => void
  /** Calls `listener` at every SIGHUP that is no terminal's end; returns the way to stop that. */
  onHangUp(listener: () => void): () => void
  /** Ends the process at once. */
  exit(status: number): void
}

export const EXIT = { ok: 0, failure: 1, usage: 2 } as const
