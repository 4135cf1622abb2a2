/** The real layers below the command line. */
import {
  acquireLock,
  openInspection,
  openStore,
  PageCache,
  writerFileSystem,
} from '../../native-free-btree/index.ts'
import { systemClock } from '../base/clock.ts'
import type { Compression } from '../base/compression.ts'
import { DiskRoom } from '../base/disk-room.ts'
import { isAlone } from '../base/lone-request.ts'
import { packageVersion } from '../base/version.ts'
import { listenAddresses } from '../config/listen-addresses.ts'
import { compact } from '../database/compaction/compaction.ts'
import { TREE_OPTIONS } from '../database/layout/tree-options.ts'
import { createDatabase, openDatabase } from '../database/open.ts'
import type { MetricsPort } from '../http/listen/metrics-port.ts'
import { EVENTS_NAME } from '../server/database-events.ts'
import type { Server } from '../server/server.ts'
import { measuredFileSystem } from '../statistics/measured-file-system.ts'
import { Fronts } from '../threads/fronts.ts'
import { loadHttpRooms } from '../threads/load-rooms.ts'
import { coreCacheBytes, frontCacheBytes, threadsOf } from '../threads/shares.ts'
import type { Listener, Parts } from './parts.ts'

const version = packageVersion()

async function compactFile(path: string, onProgress: (done: number, total: number) => void) {
  const database = await openDatabase(path, path)
  try {
    const bytesBefore = database.info().sizes.file
    const { bytesAfter, resumed } = await compact(database.beginCompaction(), {
      clock: systemClock,
      onProgress: ({ changesDone, totalChanges }) => onProgress(changesDone, totalChanges),
    })
    return { bytesBefore, bytesAfter, resumed }
  } finally {
    await database.close()
  }
}

/** Takes the requests of clients: here, or in threads. */
async function startRequests(server: Server): Promise<Listener> {
  const { settings } = server
  const count = threadsOf(settings.get('threads'))
  if (count > 0) return Fronts.start({ server, count, version, cacheBytes: frontCacheBytes(settings, count) })
  const [address, ...others] = listenAddresses(settings)
  const tls = server.certificates
  // Where other threads take the requests this one does without the modules for it.
  await loadHttpRooms()
  const { httpOptions } = await import('../http/request/options.ts')
  const { startHttp } = await import('../http/listen/server.ts')
  return startHttp(httpOptions(settings, { backend: server, address, others, tls, version }))
}

function withMetrics(listener: Listener, metrics: MetricsPort): Listener {
  return {
    url: listener.url,
    urls: listener.urls,
    async stop(graceMs) {
      await Promise.all([listener.stop(graceMs), metrics.stop()])
    },
  }
}

export const systemParts: Parts = {
  version,
  acquireLock,
  databaseOpener(settings, metrics) {
    const isWriterOnly = threadsOf(settings.get('threads')) > 0
    const writers = isWriterOnly ? writerFileSystem() : writerFileSystem(isAlone)
    const fileSystem = measuredFileSystem(writers, metrics, systemClock)
    const cache = new PageCache(coreCacheBytes(settings))
    const store = { cache, fileSystem }
    const room = new DiskRoom({
      folder: settings.get('databaseDir'),
      get reserveBytes() {
        return settings.get('diskReserveBytes')
      },
      clock: systemClock,
    })
    const compression = (): Compression => settings.get('fileCompression')
    const maxPartitionBytes = (): number => settings.get('maxPartitionSize')
    const options = { store, metrics, refusal: () => room.refusal(), compression, maxPartitionBytes }
    // What the server writes for itself is no document of anybody's.
    const optionsOf = (name: string) => (name === EVENTS_NAME ? { ...options, metrics: undefined } : options)
    return {
      cache,
      openDatabase: (path, name) => openDatabase(path, name, optionsOf(name)),
      createDatabase: (path, name, properties) =>
        createDatabase(path, name, { ...optionsOf(name), properties }),
    }
  },
  async startHttp(server) {
    const { settings } = server
    if (!settings.get('metricsPortEnabled')) return startRequests(server)
    const { startMetricsPort } = await import('../http/listen/metrics-port.ts')
    const metrics = await startMetricsPort({
      host: settings.get('metricsAddress'),
      port: settings.get('metricsPort'),
      page: () => server.node.metricsPage(),
      version,
      clock: server.clock,
      log: server.log,
    })
    server.log.info('metrics', { url: metrics.url })
    try {
      return withMetrics(await startRequests(server), metrics)
    } catch (error) {
      await metrics.stop()
      throw error
    }
  },
  async startGateway(server, opener, configuration) {
    const { readGatewayConfig } = await import('../gateway/config.ts')
    const { startGateway } = await import('../gateway/start-gateway.ts')
    return startGateway(server, opener, readGatewayConfig(configuration))
  },
  openStore: (path) => openStore(path, { readOnly: true, trees: TREE_OPTIONS }),
  openInspection: (path) => openInspection(path, { trees: TREE_OPTIONS }),
  compactFile,
  async openMigration(environment) {
    const { openMigration } = await import('./migrate/open-migration.ts')
    return openMigration(environment)
  },
}
