/**
 * Changes of one key in an ini text that leave every other line as it is: comments, order, blank lines, line ends, and
 * the comment behind the value that is replaced.
 */
import { readIniLine } from './ini.ts'

interface Place {
  /** The line that has the key. */
  readonly at: number | undefined
  /** Behind the last line that says something in the last block of the section; undefined where there is no such block. */
  readonly end: number | undefined
}

/** The line of a key with its value; undefined for a value: the key has none. */
export function iniLine(key: string, value: string | undefined): string {
  return value === undefined ? `${key} =` : `${key} = ${value}`
}

/** The text with the key set. `key` is as the line will read. */
export function withKey(text: string, section: string, key: string, value: string | undefined): string {
  const lines = text.split(/(?<=\n)/)
  const lineEnd = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n'
  const written = readIniLine(iniLine(key, value))
  const { at, end } = placeOf(lines, section, written.kind === 'entry' ? written.key : key)
  if (at !== undefined) {
    const comment = /[ \t];.*$/.exec(lines[at]!.trimEnd())?.[0] ?? ''
    lines[at] = `${iniLine(key, value)}${comment}${lineEnd}`
    return lines.join('')
  }
  if (end !== undefined) {
    if (!lines[end - 1]!.endsWith('\n')) lines[end - 1] += lineEnd
    lines.splice(end, 0, `${iniLine(key, value)}${lineEnd}`)
    return lines.join('')
  }
  const above = text === '' || text.endsWith('\n') ? text : text + lineEnd
  const gap = above === '' ? '' : lineEnd
  return `${above}${gap}[${section}]${lineEnd}${iniLine(key, value)}${lineEnd}`
}

/** The text without the key. */
export function withoutKey(text: string, section: string, key: string): string {
  const lines = text.split(/(?<=\n)/)
  const written = readIniLine(iniLine(key, 'x'))
  const { at } = placeOf(lines, section, written.kind === 'entry' ? written.key : key)
  if (at !== undefined) lines.splice(at, 1)
  return lines.join('')
}

function placeOf(lines: readonly string[], section: string, key: string): Place {
  let isInside = false
  let at: number | undefined
  let end: number | undefined
  for (const [index, line] of lines.entries()) {
    const read = readIniLine(index === 0 ? line.replace(/^\uFEFF/, '') : line)
    if (read.kind === 'section') isInside = read.name === section
    if (!isInside || line.trim() === '') continue
    end = index + 1
    if (read.kind === 'entry' && read.key === key) at = index
  }
  return { at, end }
}
