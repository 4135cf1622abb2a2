/** A whole server on a port and in a folder of its own, for tests over real sockets. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFileSystem, openStore, PageCache, type Store } from '../../native-free-btree/index.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { Metrics } from '../../src/base/metrics.ts'
import { systemRandom } from '../../src/base/random.ts'
import { withLocalFile } from '../../src/cli/serve.ts'
import { listenAddresses } from '../../src/config/listen-addresses.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { type HttpServer, startHttp } from '../../src/http/listen/server.ts'
import type { CorsRules } from '../../src/http/request/cors.ts'
import { type HttpLimits, limitsOf } from '../../src/http/request/options.ts'
import type { ReplicationRunner } from '../../src/replication/api.ts'
import { startReplicator } from '../../src/replicator/start-replicator.ts'
import { EVENTS_NAME } from '../../src/server/database-events.ts'
import { Server } from '../../src/server/server.ts'
import { measuredFileSystem } from '../../src/statistics/measured-file-system.ts'
import { Fronts } from '../../src/threads/fronts.ts'
import { recordingLog } from './recording-log.ts'
import './poisoned-pages.ts'

export interface TestServer {
  http: HttpServer
  /** The port of HTTPS, where it is enabled. */
  securePort: number
  server: Server
  /** With an administrator's name and password, without a slash at the end. */
  url: string
  /** `Basic ...` of the administrator. */
  authorization: string
  /** What was logged. */
  lines: string[]
  /** The data folder. */
  folder: string
  stop(graceMs?: number): Promise<void>
}

const NAME = 'admin'
const PASSWORD = 'secret'
const CACHE_BYTES = 32 * 1024 * 1024

export interface TestServerOptions {
  limits?: Partial<HttpLimits>
  port?: number
  cors?: CorsRules
  /** Environment variables. */
  config?: Record<string, string>
  clock?: Clock
  /** Kept when the server stops; default a folder of its own, removed. */
  dataDir?: string
  /** Hears of every store that is opened. */
  onStore?: (store: Store) => void
  /** What replicates; default what the server has. */
  replications?: ReplicationRunner
  /** Threads that take requests; default what DAVENPORT_TEST_THREADS says where the test can do with it, else 0. */
  threads?: number
}

/** The whole suite runs with threads where this is set: what a test changes by a function cannot go to one. */
function threadsOf({ clock, cors, onStore, threads }: TestServerOptions): number {
  if (threads !== undefined) return threads
  const isLocal = clock !== undefined || cors !== undefined || onStore !== undefined
  return isLocal ? 0 : Number(process.env['DAVENPORT_TEST_THREADS'] ?? 0)
}

function listen(server: Server, options: TestServerOptions): Promise<HttpServer> {
  const version = '0.0.0-test'
  const count = threadsOf(options)
  if (count > 0) {
    return Fronts.start({ server, count, version, cacheBytes: CACHE_BYTES, limits: options.limits })
  }
  const [address, ...others] = listenAddresses(server.settings)
  return startHttp({
    backend: server,
    address,
    others,
    tls: server.certificates,
    version,
    limits: Object.assign(limitsOf(server.settings), options.limits),
    cors: options.cors && { rules: options.cors },
  })
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const folder = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'davenport-http-')))
  const clock = options.clock ?? systemClock
  const { log, lines } = recordingLog()
  const noted: typeof openStore = async (path, storeOptions) => {
    const store = await openStore(path, storeOptions)
    options.onStore?.(store)
    return store
  }
  const metrics = new Metrics()
  const cache = new PageCache(CACHE_BYTES)
  const fileSystem = measuredFileSystem(nodeFileSystem, metrics, clock)
  const config = await withLocalFile({
    environment: {
      DAVENPORT_CHTTPD_AUTH__ITERATIONS: '10',
      DAVENPORT_LOG__LEVEL: 'debug',
      ...options.config,
    },
    flags: { dataDir: folder, admins: [`${NAME}:${PASSWORD}`], port: String(options.port ?? 0) },
  })
  const settings = new SettingsRegistry(config, log)
  const compression = () => settings.get('fileCompression')
  const maxPartitionBytes = () => settings.get('maxPartitionSize')
  const files = { clock, openStore: noted, store: { cache, fileSystem }, compression, maxPartitionBytes }
  const filesOf = (name: string) => (name === EVENTS_NAME ? files : { ...files, metrics })
  const server = await Server.start({
    openDatabase: (path, name) => openDatabase(path, name, filesOf(name)),
    createDatabase: (path, name, properties) => createDatabase(path, name, { ...filesOf(name), properties }),
    settings,
    config,
    log,
    clock,
    random: systemRandom,
    acquireLock: async () => ({ release: async () => {} }),
    metrics,
    cache,
    startReplicator: (server) => startReplicator(server, options.replications),
  })
  const http = await listen(server, options)
  server.replicator.begin()
  const url = new URL(http.url)
  url.username = NAME
  url.password = PASSWORD
  return {
    http,
    securePort: Number(/^https:.*:(\d+)$/m.exec(http.urls.join('\n'))?.[1]),
    server,
    url: url.href.replace(/\/$/, ''),
    authorization: `Basic ${Buffer.from(`${NAME}:${PASSWORD}`).toString('base64')}`,
    lines,
    folder,
    async stop(graceMs = 0) {
      await http.stop(graceMs)
      await server.stop(0)
      if (options.dataDir === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
