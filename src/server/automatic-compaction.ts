/**
 * Which databases are compacted without being asked. What holds:
 * - A database is compacted when its file is long enough, and enough of it is not needed any more; within the hours
 *   that are allowed, while the event loop has time to spare, and not more databases at once than are allowed.
 * - What cannot be compacted now (no room, too busy, out of hours) is looked at again later.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import { isWithin, parseDayWindow } from '../config/day-window.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { ChangedDatabases } from './changed-databases.ts'
import type { Compactions } from './compactions.ts'
import type { EventBus } from './event-bus.ts'
import type { Lease } from './open-databases.ts'

/** Share of the event loop's time in use from which on nothing is begun. */
const BUSY = 0.6

/** They are read at every look, so they may change. */
export interface AutomaticCompactionSettings {
  /** Percent of a file that is not needed, from which on it is compacted; 0 switches all this off. */
  readonly fragmentationPercent: number
  readonly leastFileBytes: number
  readonly mostAtOnce: number
  readonly intervalMs: number
  /** Hours of the day, as 22:00-06:00; undefined: all day. */
  readonly window: string | undefined
}

export function automaticCompactionSettings(
  settings: Pick<SettingsRegistry, 'view'>,
): AutomaticCompactionSettings {
  return settings.view({
    fragmentationPercent: 'compactionFragmentationPercent',
    leastFileBytes: 'compactionLeastFileBytes',
    mostAtOnce: 'compactionMostAtOnce',
    intervalMs: 'compactionIntervalMs',
    window: 'compactionWindow',
  })
}

export interface AutomaticCompactionOptions {
  lease(name: string): Promise<Lease>
  compactions: Pick<Compactions, 'start' | 'ended' | 'running'>
  /** Tells what has changed. */
  bus: EventBus
  clock: Clock
  log: Log
  settings: AutomaticCompactionSettings
}

/** Whether the next look may find the cause gone although the database has not changed: a full disk, too many open. */
function isForNow(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    (error.kind === 'insufficientStorage' || error.kind === 'allDatabasesActive')
  )
}

export class AutomaticCompaction {
  readonly #options: AutomaticCompactionOptions
  readonly #changed: ChangedDatabases

  constructor(options: AutomaticCompactionOptions) {
    this.#options = options
    const { bus, clock, settings, compactions } = options
    this.#changed = new ChangedDatabases({
      bus,
      clock,
      busyShare: BUSY,
      isEnabled: () => settings.fragmentationPercent > 0,
      delayMs: () => settings.intervalMs,
      hasRoom: () => compactions.running < settings.mostAtOnce && this.#isAllowedHour(),
      look: (name) => this.#look(name),
    })
  }

  /** Resolves when nothing is being looked at any more. */
  stop(): Promise<void> {
    return this.#changed.stop()
  }

  async #look(name: string): Promise<void> {
    const { compactions, log } = this.#options
    try {
      if (await this.#isWorthIt(name)) await compactions.start(name)
    } catch (error) {
      if (isForNow(error)) this.#changed.add(name)
      log.warning('an automatic compaction was not begun', { database: name, reason: describeError(error) })
    }
  }

  #isAllowedHour(): boolean {
    const window = parseDayWindow(this.#options.settings.window ?? '')
    return window === undefined || isWithin(window, this.#options.clock.now())
  }

  async #isWorthIt(name: string): Promise<boolean> {
    const { fragmentationPercent, leastFileBytes } = this.#options.settings
    const lease = await this.#options.lease(name)
    try {
      const { sizes, compactRunning } = lease.database.info()
      if (compactRunning || sizes.file < leastFileBytes) return false
      return (1 - sizes.active / sizes.file) * 100 >= fragmentationPercent
    } finally {
      lease.release()
    }
  }
}
