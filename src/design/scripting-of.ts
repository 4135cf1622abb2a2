import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { Scripting } from '../scripting/scripting.ts'

/** What runs the functions of a thread of a server with these settings, whose live ones it follows. */
export function scriptingOf(
  settings: SettingsRegistry,
  options: { clock: Clock; log: Pick<Log, 'info'>; threads: number; restsOften?: boolean },
): Scripting {
  const { clock, log, threads, restsOften = false } = options
  const limits = () => ({
    timeoutMs: settings.get('functionTimeoutMs'),
    memoryBytes: settings.get('functionMemoryBytes'),
  })
  const scripting = new Scripting({
    clock,
    threads,
    restsOften,
    sandbox: settings.get('sandbox'),
    limits: limits(),
    onLog: (database, lines) => {
      for (const line of lines) log.info('a design function says', { database, line })
    },
  })
  const follow = (): void => {
    scripting.limits = limits()
  }
  settings.subscribe('functionTimeoutMs', follow)
  settings.subscribe('functionMemoryBytes', follow)
  return scripting
}
