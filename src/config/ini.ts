/**
 * CouchDB's ini dialect (its `config` application), read strictly. What it has in common with CouchDB:
 * `[section]`, `key = value`, whole-line comments that begin with `;`, a comment after a value that begins
 * with a blank and `;`, values that contain `=`, and `key =` with nothing behind it, which unsets the key.
 * What CouchDB skips in silence is refused here, with the line: text outside of these forms, a key before any
 * section, a key given twice.
 */

/** A configuration that cannot be used; the message says where and why and never repeats a secret. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

export interface IniEntry {
  section: string
  key: string
  /** Trimmed, without its comment; undefined where the key is unset. */
  value: string | undefined
  /** Counted from 1. */
  line: number
}

const SECTION = /^\[([^[\]]+)\]\s*(?:;.*)?$/

/** What a line says. */
export type IniLine =
  | { kind: 'nothing' }
  | { kind: 'section'; name: string }
  | { kind: 'entry'; key: string; value: string | undefined }
  | { kind: 'unreadable'; reason: string }

/** A key may hold `=` where a blank is on both sides of the one behind it. */
export function readIniLine(raw: string): IniLine {
  const content = raw.trim()
  if (content === '' || content.startsWith(';')) return { kind: 'nothing' }
  if (content.startsWith('[')) {
    const name = SECTION.exec(content)?.[1]?.trim()
    return name ? { kind: 'section', name } : { kind: 'unreadable', reason: 'a section is written [name]' }
  }
  const text = /[ \t];/.test(content) ? content.slice(0, content.search(/[ \t];/)).trimEnd() : content
  const spaced = text.indexOf(' = ')
  const equals = spaced < 0 ? text.indexOf('=') : spaced + 1
  const key = text.slice(0, Math.max(equals, 0)).trim()
  if (key === '' || (spaced < 0 && equals < 1)) {
    const reason = content.startsWith('#')
      ? 'comments begin with ";"'
      : 'expected "key = value", "[section]" or a comment that begins with ";"'
    return { kind: 'unreadable', reason }
  }
  const value = text.slice(equals + 1).trim()
  return { kind: 'entry', key, value: value === '' || value.startsWith(';') ? undefined : value }
}

/** The entries in their order. `file` is for messages. Throws ConfigError. */
export function parseIni(text: string, file: string): IniEntry[] {
  const entries: IniEntry[] = []
  const lineOf = new Map<string, number>()
  let section: string | undefined
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (const [index, raw] of lines.entries()) {
    const line = index + 1
    const refuse = (why: string): never => {
      throw new ConfigError(`${file}:${line}: ${why}`)
    }
    const read = readIniLine(raw)
    if (read.kind === 'nothing') continue
    if (read.kind === 'unreadable') return refuse(read.reason)
    if (read.kind === 'section') {
      section = read.name
      continue
    }
    if (section === undefined) return refuse('a key needs a [section] above it')
    const entry = { section, key: read.key, value: read.value, line }
    const name = `[${section}] ${read.key}`
    const earlier = lineOf.get(name)
    if (earlier !== undefined) refuse(`${name} was given already in line ${earlier}`)
    lineOf.set(name, line)
    entries.push(entry)
  }
  return entries
}
