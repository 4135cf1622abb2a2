/// <reference types="node" preserve="true" />
/** The package's main door: a server in the process of whoever imports it. */
import { systemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { EXIT } from './parts.ts'
import { RestartableServer } from './restartable-server.ts'
import { withLocalFile } from './serve.ts'
import { systemParts } from './system-parts.ts'

/** What is left out has the default of `davenport serve`. */
export interface StartOptions {
  /** Folder where everything is kept; made when it is missing. Default: `data`. */
  dataDir?: string
  /** Address to listen on. Default: 127.0.0.1. */
  host?: string
  /** 0: any free one. Default: 5984. */
  port?: number
  /** Server administrators, each `name:password`. Without any, the first start makes one. */
  admins?: readonly string[]
  /** Any setting, named as in the environment: `{ DAVENPORT_COUCHDB__MAX_DBS_OPEN: '100' }`. The process's own
   *  environment is not read. Requests are taken in the caller's thread unless `DAVENPORT_DAVENPORT__THREADS` says
   *  otherwise. */
  settings?: Readonly<Record<string, string>>
  /** Serves the API of Couchbase Sync Gateway too: the text of its configuration file. Default: it does not. */
  gateway?: string
  /** Takes each line of the log, its line break included. Default: there is no log. */
  log?: (line: string) => void
}

export interface RunningServer {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  /** Of everything that it listens on, the one above first; a Unix socket's is `unix:PATH`. */
  readonly urls: readonly string[]
  /** Where the gateway is, without a slash at the end. */
  readonly gateway: { readonly publicUrl: string; readonly adminUrl: string } | undefined
  /** The administrator that this start has made, for want of a configured one. */
  readonly generatedAdmin: { readonly name: string; readonly password: string } | undefined
  /**
   * Takes no new requests, lets running ones finish for `graceMs` (default: the setting of `davenport serve`), then
   * closes everything. Rejects when a part did not stop cleanly; the log says which.
   */
  stop(graceMs?: number): Promise<void>
}

/**
 * Starts a server. Resolves once it takes requests. Rejects with a ConfigError for settings that make no sense, with
 * LOCKED when another server has the folder, and as `listen` does (EADDRINUSE, EACCES).
 */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const { dataDir, host, port, admins, settings, gateway, log: write } = options
  const flags = { dataDir, host, port: port === undefined ? undefined : String(port), admins }
  const environment = { DAVENPORT_DAVENPORT__THREADS: '0', ...settings }
  const silent = write === undefined
  const log = createLog({ level: 'none', write: write ?? (() => undefined), now: () => systemClock.now() })
  const running = await RestartableServer.start({
    load: () => withLocalFile({ environment, flags }),
    readConfigFile: async () => '',
    readGatewayFile: gateway === undefined ? undefined : async () => gateway,
    parts: systemParts,
    log,
    levelOf: (level) => (silent ? 'none' : level),
  })
  const generatedAdmin = running.server.administrators.generated
  return {
    get url() {
      return running.url
    },
    get urls() {
      return running.urls
    },
    get gateway() {
      return running.gateway
    },
    generatedAdmin,
    async stop(graceMs) {
      if ((await running.stop(graceMs)) !== EXIT.ok) throw new Error('the server did not stop cleanly')
    },
  }
}
