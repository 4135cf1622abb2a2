/** The real layers below the command line. */
import { acquireLock, openStore, PageCache } from '../../native-free-btree/index.ts'
import { systemClock } from '../base/clock.ts'
import { DiskRoom } from '../base/disk-room.ts'
import { packageVersion } from '../base/version.ts'
import { compact } from '../database/compaction/compaction.ts'
import { TREE_OPTIONS } from '../database/layout/tree-options.ts'
import { createDatabase, openDatabase } from '../database/open.ts'
import { startHttp } from '../http/listen/server.ts'
import { corsRules } from './cors-rules.ts'
import type { Parts } from './parts.ts'

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

export const systemParts: Parts = {
  version,
  acquireLock,
  databaseOpener(config) {
    const store = { cache: new PageCache(config.cacheBytes) }
    const { databaseDir: folder, diskReserveBytes: reserveBytes } = config
    const room = new DiskRoom({ folder, reserveBytes, clock: systemClock })
    const options = { store, refusal: () => room.refusal() }
    return {
      openDatabase: (path, name) => openDatabase(path, name, options),
      createDatabase: (path, name, properties) => createDatabase(path, name, { ...options, properties }),
    }
  },
  startHttp: (server) =>
    startHttp({
      backend: server,
      host: server.config.bindAddress,
      port: server.config.port,
      version,
      cors: corsRules(server.config),
      limits: {
        maxRequestBytes: server.config.maxRequestSize,
        maxJsonBytes: server.config.maxJsonSize,
        maxBodyMemoryBytes: server.config.bodyMemoryBytes,
        maxBulkDocs: server.config.maxBulkDocs,
        maxBulkGet: server.config.maxBulkGet,
        maxDocumentBytes: server.config.maxDocumentSize,
        maxAttachmentBytes: server.config.maxAttachmentSize,
        compressibleTypes: server.config.compressibleTypes,
        compressionLevel: server.config.compressionLevel,
        maxUuids: server.config.maxUuids,
        maxDatabasesInfo: server.config.maxDatabasesInfo,
        maxConnections: server.config.maxConnections,
        selectorBudgetMs: server.config.selectorBudgetMs,
      },
    }),
  openStore: (path) => openStore(path, { readOnly: true, trees: TREE_OPTIONS }),
  compactFile,
}
