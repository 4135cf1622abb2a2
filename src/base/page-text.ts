/** Pieces of text in pages that are made of a file: whatever the file says stands in them as text and nothing else. */
const KIBI = 1024
const UNITS = ['KiB', 'MiB', 'GiB', 'TiB']

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** 1234 is "1.2 KiB". */
export function bytesText(bytes: number): string {
  if (bytes < KIBI) return `${Math.round(bytes)} bytes`
  let value = bytes
  let unit = ''
  for (const next of UNITS) {
    if (value < KIBI) break
    value /= KIBI
    unit = next
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

export function percentText(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (part / whole) * 100
  return percent > 0 && percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(1)} %`
}

/** A key or a value: as text in quotes where it is printable, else in hex; `most` bytes of it. */
export function shownBytes(bytes: Uint8Array, most = 60): string {
  const shown = Buffer.from(bytes.subarray(0, most))
  const rest = bytes.length > most ? '…' : ''
  const isText = shown.every((byte) => byte >= 0x20 && byte < 0x7f)
  return (isText ? JSON.stringify(shown.toString('latin1')) : `0x${shown.toString('hex')}`) + rest
}

/** For a terminal that shows what it is given: no byte of a file is a command to it. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\u{fffd}')
}
