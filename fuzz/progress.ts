/** How far a run is, on standard error. */
import { systemClock } from '../src/base/clock.ts'
import { ProgressLine } from '../src/base/progress-line.ts'
import type { RunOptions } from './options.ts'

export interface RunProgress {
  tell(events: number, seconds: number): void
  end(): void
}

/** Undefined in a job of many, whose lines would mix. */
export function progressOf(
  label: string,
  { events: most, seconds: mostSeconds }: Pick<RunOptions, 'events' | 'seconds'>,
): RunProgress | undefined {
  if (process.send !== undefined) return undefined
  const isCounted = Number.isFinite(most)
  const line = new ProgressLine({
    write: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
    clock: systemClock,
    label,
    unit: isCounted ? 'events' : undefined,
  })
  return {
    tell(events: number, seconds: number): void {
      if (isCounted) line.update(events, most)
      else line.update(seconds, mostSeconds)
    },
    end: (): void => line.end(),
  }
}
