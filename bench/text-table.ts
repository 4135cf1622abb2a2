/** Figures as text, and tables of it. */

export type Unit = 'rate' | 'us' | 'ms' | 'bytes' | 'count' | 'times'

/** Three significant digits, with the unit's usual scale; '-' for what is not known. */
export function shownFigure(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return '-'
  switch (unit) {
    case 'rate':
      return `${scaled(value, 1000, ['', ' k', ' M'])}/s`
    case 'us':
      return scaled(value, 1000, [' µs', ' ms', ' s'])
    case 'ms':
      return scaled(value * 1000, 1000, [' µs', ' ms', ' s'])
    case 'bytes':
      return scaled(value, 1000, [' B', ' kB', ' MB', ' GB'])
    case 'times':
      return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}x`
    default:
      return scaled(value, 1000, ['', ' k', ' M'])
  }
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let index = 0
  let rest = value
  while (Math.abs(rest) >= step * 0.9995 && index < units.length - 1) {
    rest /= step
    index += 1
  }
  const digits = Math.abs(rest) >= 100 ? 0 : Math.abs(rest) >= 10 ? 1 : 2
  return `${rest.toFixed(digits)}${units[index]}`
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
