/** `[log]`. */
import { LOG_LEVELS } from '../../base/log.ts'
import { anyText, choice, integer, text } from '../setting.ts'

export const LOG = {
  logLevel: choice({
    section: 'log',
    key: 'level',
    default: 'warning',
    values: LOG_LEVELS,
    effect: 'live',
    listed: true,
    doc: 'Lowest level that is logged; requests are "notice".',
  }),
  logWriter: choice({
    section: 'log',
    key: 'writer',
    default: 'stderr',
    values: ['stderr', 'file'],
    effect: 'restart',
    doc: 'Where the log goes: to standard error, or to `[log] file`.',
  }),
  logFile: text({
    section: 'log',
    key: 'file',
    default: './davenport.log',
    parse: anyText,
    effect: 'restart',
    doc: 'File that the log is appended to; it is opened anew at SIGHUP.',
  }),
  slowRequestMs: integer({
    section: 'log',
    key: 'slow_request_ms',
    default: 10_000,
    min: 0,
    max: 86_400_000,
    effect: 'live',
    doc: 'Milliseconds from which on a request that is no feed is logged as slow, at the level "warning"; 0 for never.',
  }),
}
