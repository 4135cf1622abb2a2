/** Compactions of databases in a folder of their own: those of the gateway, and the indexes of channels. */

import type { Clock } from '../base/clock.ts'
import { freeBytes } from '../base/disk-room.ts'
import type { Log } from '../base/log.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { WorkerPool } from '../workers/pool.ts'
import type { TaskRegistry } from '../workers/tasks.ts'
import { AutomaticCompaction, automaticCompactionSettings } from './automatic-compaction.ts'
import { Compactions, compactionSettings } from './compactions.ts'
import type { EventBus } from './event-bus.ts'
import type { DatabaseRegistry } from './registry.ts'

export interface OwnCompactionsParts {
  readonly settings: SettingsRegistry
  readonly clock: Clock
  readonly log: Log
  readonly tasks: TaskRegistry
}

/** The compactions of databases that are not the server's own registry's, under the server's settings. */
export function ownCompactions(
  { settings, clock, log, tasks }: OwnCompactionsParts,
  registry: DatabaseRegistry,
  bus: EventBus,
) {
  const lease = (name: string) => registry.lease(name)
  const compactions = new Compactions({
    lease,
    pool: new WorkerPool({
      threads: settings.get('workerThreads'),
      memoryBytes: settings.get('workerMemoryBytes'),
      idleMs: settings.get('workerIdleMs'),
    }),
    tasks,
    clock,
    settings: compactionSettings(settings),
    onCompacted: (name) => bus.tell('compacted', name),
    freeBytes: () => freeBytes(settings.get('databaseDir')),
  })
  const automaticCompaction = new AutomaticCompaction({
    lease,
    compactions,
    bus,
    clock,
    log,
    settings: automaticCompactionSettings(settings),
  })
  return { compactions, automaticCompaction }
}
