/**
 * One line an event: a JSON object with `time`, `level`, `message` and the event's own fields. JSON's escapes
 * keep a value with a line break from forging a second event.
 */
import type { Clock } from './clock.ts'

/** From the most talkative on; the names are CouchDB's. */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'none'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Log {
  /** Whether events of this level are written; spares the making of fields that nobody sees. */
  enabled(level: LogLevel): boolean
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  notice(message: string, fields?: LogFields): void
  warning(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** Takes lines that another thread has made by `eventLine`, of levels that it found enabled. */
  append(lines: string): void
}

/** A log whose lowest level may change. */
export interface LeveledLog extends Log {
  setLevel(level: LogLevel): void
}

export interface LogOptions {
  /** The lowest level that is written, until another is set. */
  level: LogLevel
  /** Takes one line, its line break included. */
  write: (line: string) => void
  now: Clock['now']
}

/** Writes each event as a line. */
export function createLog({ level, write, now }: LogOptions): LeveledLog {
  const take: TakeEvent = (level, message, fields) => write(eventLine(now(), level, message, fields))
  return leveledLog(level, take, write)
}

/** An event as a line, its line break included. */
export function eventLine(
  nowMs: number,
  level: EventLevel,
  message: string,
  fields: LogFields | undefined,
): string {
  const time = new Date(nowMs).toISOString()
  return `${JSON.stringify({ time, level, message, ...fields })}\n`
}

/** A level that events have. */
export type EventLevel = Exclude<LogLevel, 'none'>

export type TakeEvent = (level: EventLevel, message: string, fields: LogFields | undefined) => void

/** Hands events of the lowest level and above to `take`, and lines of other threads, where there are any, to `append`. */
export function leveledLog(
  level: LogLevel,
  take: TakeEvent,
  append: (lines: string) => void = () => {},
): LeveledLog {
  let lowest = LOG_LEVELS.indexOf(level)
  const enabled = (level: LogLevel): boolean => level !== 'none' && LOG_LEVELS.indexOf(level) >= lowest
  const at =
    (level: EventLevel) =>
    (message: string, fields?: LogFields): void => {
      if (enabled(level)) take(level, message, fields)
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
    append,
  }
}

/** The same log, which tells `count` of each event that is written. */
export function countedLog(log: Log, count: (level: EventLevel) => void): Log {
  const at =
    (level: EventLevel) =>
    (message: string, fields?: LogFields): void => {
      if (log.enabled(level)) count(level)
      log[level](message, fields)
    }
  return {
    enabled: (level) => log.enabled(level),
    debug: at('debug'),
    info: at('info'),
    notice: at('notice'),
    warning: at('warning'),
    error: at('error'),
    append: (lines) => log.append(lines),
  }
}

/** What an unknown thrown value says, on one line. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
