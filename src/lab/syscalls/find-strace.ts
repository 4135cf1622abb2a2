/** The program that records system calls. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { LabError } from '../lab-error.ts'

/** A program that has to be installed. */
export class ToolMissing extends LabError {}

/** The path of strace. Throws ToolMissing when it is not there. */
export function findStrace(): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'strace')
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // It may be in the next one.
    }
  }
  throw new ToolMissing(
    'strace is needed to record system calls, and is not there (Debian: apt-get install strace)',
  )
}
