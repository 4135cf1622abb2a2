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
const ENTRY = /^([^=\s](?:[^=]*[^=\s])?)\s*=(.*)$/

/** The entries in their order. `file` is for messages. Throws ConfigError. */
export function parseIni(text: string, file: string): IniEntry[] {
  const entries: IniEntry[] = []
  const lineOf = new Map<string, number>()
  let section: string | undefined
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (const [index, raw] of lines.entries()) {
    const line = index + 1
    const content = raw.trim()
    if (content === '' || content.startsWith(';')) continue
    const refuse = (why: string): never => {
      throw new ConfigError(`${file}:${line}: ${why}`)
    }
    if (content.startsWith('[')) {
      section = SECTION.exec(content)?.[1]?.trim()
      if (!section) refuse('a section is written [name]')
      continue
    }
    const match = ENTRY.exec(content)
    if (match === null) {
      refuse(
        content.startsWith('#')
          ? 'comments begin with ";"'
          : 'expected "key = value", "[section]" or a comment that begins with ";"',
      )
    }
    if (section === undefined) refuse('a key needs a [section] above it')
    const entry = { section: section!, key: match![1]!, value: valueIn(match![2]!), line }
    const name = `[${entry.section}] ${entry.key}`
    const earlier = lineOf.get(name)
    if (earlier !== undefined) refuse(`${name} was given already in line ${earlier}`)
    lineOf.set(name, line)
    entries.push(entry)
  }
  return entries
}

function valueIn(text: string): string | undefined {
  const value = (/^\s*;/.test(text) ? '' : text.replace(/[ \t];.*$/, '')).trim()
  return value === '' ? undefined : value
}
