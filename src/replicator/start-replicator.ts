import type { ReplicationRunner } from '../replication/api.ts'
import type { Server } from '../server/server.ts'
import { Replicator } from './replicator.ts'

/** The replicator of a server. */
export function startReplicator(
  server: Server,
  runner: ReplicationRunner = server.replications,
): Promise<Replicator> {
  const { settings, databases, bus, users, clock, random, log, metrics, replications } = server
  const { defaults } = replications
  return Replicator.start({
    ...{ settings, databases, bus, users, runner, defaults, clock, random, log, metrics },
    scheduleBy: (queue) => replications.scheduleBy(queue),
  })
}
