import { LOG_LEVELS, type Log, type LogFields, type LogLevel } from '../base/log.ts'
import type { Core } from './front-channel.ts'

/** A front's log: the core writes it. */
export function remoteLog(core: Core, level: LogLevel): Log & { setLevel(level: LogLevel): void } {
  let lowest = LOG_LEVELS.indexOf(level)
  const enabled = (level: LogLevel): boolean => level !== 'none' && LOG_LEVELS.indexOf(level) >= lowest
  const at =
    (level: Exclude<LogLevel, 'none'>) =>
    (message: string, fields?: LogFields): void => {
      if (enabled(level)) core.tell('log', { level, message, fields })
    }
  return {
    setLevel(level) {
      lowest = LOG_LEVELS.indexOf(level)
    },
    enabled,
    debug: at('debug'),
    info: at('info'),
    notice: at('notice'),
    warning: at('warning'),
    error: at('error'),
  }
}
