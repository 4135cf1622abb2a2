import { type Clock, systemClock } from '../base/clock.ts'
import { ProgressLine } from '../base/progress-line.ts'
import type { Console } from './parts.ts'

/** Tells on standard error how far a command is; `unit` as in `ProgressOptions`. */
export function progressOf(
  console: Pick<Console, 'err' | 'errIsTerminal'>,
  label: string,
  unit?: string,
  clock: Pick<Clock, 'monotonic'> = systemClock,
): ProgressLine {
  return new ProgressLine({
    write: (text) => console.err(text),
    isTerminal: console.errIsTerminal,
    clock,
    label,
    unit,
  })
}
