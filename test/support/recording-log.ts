import { createLog, type Log } from '../../src/base/log.ts'

/** A log whose lines a test can read. */
export function recordingLog(): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { log: createLog({ level: 'debug', write: (line) => lines.push(line), now: () => 0 }), lines }
}
