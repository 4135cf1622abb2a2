/** Figures as text, and tables of it. */
import type { Spread } from './statistics.ts'

export type Unit = 'rate' | 'us' | 'ms' | 'bytes' | 'count' | 'times'

const SCALES: Record<Exclude<Unit, 'times'>, { factor: number; names: readonly string[] }> = {
  rate: { factor: 1, names: ['/s', ' k/s', ' M/s'] },
  us: { factor: 1, names: [' µs', ' ms', ' s'] },
  ms: { factor: 1000, names: [' µs', ' ms', ' s'] },
  bytes: { factor: 1, names: [' B', ' kB', ' MB', ' GB'] },
  count: { factor: 1, names: ['', ' k', ' M'] },
}

/** Three significant digits, on the scale that suits the value; '-' for what is not known. */
export function shownFigure(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return '-'
  if (unit === 'times') return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}x`
  const { divisor, name } = scaleOf(value, unit)
  return `${digits(value / divisor)}${name}`
}

/** `median (min..max) unit`, all on the scale of the median. */
export function shownSpread({ median, min, max }: Spread, unit: Exclude<Unit, 'times'>): string {
  if (Number.isNaN(median)) return '-'
  const { divisor, name } = scaleOf(median, unit)
  return `${digits(median / divisor)} (${digits(min / divisor)}..${digits(max / divisor)})${name}`
}

function scaleOf(value: number, unit: Exclude<Unit, 'times'>): { divisor: number; name: string } {
  const { factor, names } = SCALES[unit]
  let divisor = 1 / factor
  let index = 0
  while (Math.abs(value / divisor) >= 999.5 && index < names.length - 1) {
    divisor *= 1000
    index += 1
  }
  return { divisor, name: names[index]! }
}

function digits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
}

/** Columns as wide as they need; the first to the left, the others to the right. */
export function alignedTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}
