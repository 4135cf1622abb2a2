/** What replicates in a process that is no server. */
import { createHash } from 'node:crypto'
import { systemClock } from '../../base/clock.ts'
import { DatabaseError } from '../../base/errors.ts'
import { createLog } from '../../base/log.ts'
import { Metrics } from '../../base/metrics.ts'
import { systemRandom } from '../../base/random.ts'
import { packageVersion } from '../../base/version.ts'
import { loadConfig } from '../../config/load.ts'
import { SettingsRegistry } from '../../config/registry.ts'
import { DesignDocuments } from '../../design/design-documents.ts'
import { scriptingOf } from '../../design/scripting-of.ts'
import type { RemotePlace } from '../../replication/api.ts'
import { Connections } from '../../replication/http/connections.ts'
import { Peer } from '../../replication/http/peer.ts'
import { LocalRunner } from '../../replication/runner.ts'
import { replicationDefaults } from '../../server/replications.ts'
import type { MigrationParts, MigrationPeer } from './peer.ts'

/** The same in every run, so that each finds the checkpoints of the one before. */
const UUID = createHash('md5').update('davenport migrate').digest('hex')
const MOST_ANSWER_BYTES = 64 * 1024 * 1024
/** Beside the connections of the replication itself. */
const CONNECTIONS = 4

/** Settings are those of the environment: `DAVENPORT_REPLICATOR__WORKER_PROCESSES=8`. Throws ConfigError. */
export function openMigration(environment: Readonly<Record<string, string | undefined>>): MigrationParts {
  const names = Object.entries(environment).filter(([name]) => !name.startsWith('DAVENPORT_MIGRATE_'))
  const log = createLog({ level: 'none', write: () => undefined, now: () => systemClock.now() })
  const settings = new SettingsRegistry(
    loadConfig({ environment: Object.fromEntries(names), flags: {} }),
    log,
  )
  const connections = new Connections()
  const designs = new DesignDocuments(scriptingOf(settings, { clock: systemClock, log, threads: 0 }))
  const none = async (): Promise<never> => {
    throw new DatabaseError('noDatabase')
  }
  const runner = new LocalRunner({
    databases: { lease: none, create: none, watch: () => () => undefined },
    designs,
    metrics: new Metrics(),
    clock: systemClock,
    random: systemRandom,
    hasher: { hash: none },
    settings,
    log,
    connections,
    uuid: UUID,
    version: packageVersion(),
  })
  const defaults = replicationDefaults(settings)
  return {
    runner,
    defaults,
    open: (place) => openPeer(place, settings, connections),
    async close() {
      await runner.stop()
      await designs.scripting.close()
    },
  }
}

function openPeer(place: RemotePlace, settings: SettingsRegistry, connections: Connections): MigrationPeer {
  const timeoutMs = settings.get('replicationTimeoutMs')
  const connection = connections.open({
    proxy: place.proxy,
    rules: undefined,
    verifiesCertificates: settings.get('replicationVerifiesCertificates'),
    certificates: settings.get('replicationCertificates'),
    timeoutMs,
  })
  const peer = new Peer({
    place,
    connection,
    timeoutMs,
    retries: settings.get('replicationRetries'),
    connections: CONNECTIONS,
    clock: systemClock,
    random: systemRandom,
    userAgent: `davenport/${packageVersion()}`,
  })
  return {
    call({ method, path, query, json, mostBytes = MOST_ANSWER_BYTES }, signal) {
      const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
      const request = {
        method,
        path,
        ...(query && { query }),
        ...(body && { body, type: 'application/json' }),
      }
      return peer.json(request, signal, mostBytes)
    },
    close: () => peer.close(),
  }
}
