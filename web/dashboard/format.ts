/** Figures as people read them. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const GROUPED = new Intl.NumberFormat('en')

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** A count, or a rate with as many digits as it needs. */
export function numberText(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return GROUPED.format(Math.round(value))
  return value < 10 ? value.toFixed(value < 1 ? 2 : 1) : value.toFixed(0)
}

export function timeText(ms: number): string {
  if (ms === 0) return '–'
  if (ms < 1) return `${Math.round(ms * 1000)} µs`
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : durationText(ms / 1000)
}

/** Its two largest parts. */
export function durationText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  if (first === -1) return '0 s'
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0)
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ')
}

export function shareText(share: number): string {
  const percent = share * 100
  return `${percent > 99 && percent < 100 ? percent.toFixed(1) : Math.round(percent)} %`
}
