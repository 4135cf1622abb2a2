/**
 * The table in docs/CONFIGURATION.md is made from the table of settings. After a change of that run this file with
 * `DAVENPORT_WRITE_DOCS=1`, which writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { type Setting, textOf } from '../../src/config/setting.ts'
import { SETTINGS } from '../../src/config/settings.ts'

const PATH = 'docs/CONFIGURATION.md'
const HEAD = ['section', 'key', 'default', 'allowed', 'change', 'what it is']

/** What a setting may be; empty where its sentence has to say it. */
function allowed({ type, bounds, choices }: Setting<unknown>): string {
  if (bounds !== undefined) return `${bounds.min} to ${bounds.max}`
  if (type === 'boolean') return 'true, false'
  return choices?.join(', ') ?? ''
}

function rowOf(setting: Setting<unknown>): string[] {
  const { section, key, effect, doc } = setting
  const text = textOf(setting.default)
  return [
    `\`${section}\``,
    key === '*' ? 'NAME' : `\`${key}\``,
    text === undefined || text === '' ? '' : `\`${text}\``,
    allowed(setting),
    effect,
    doc.replaceAll(/(?<!`)(\[[a-z_]+\](?: [a-z_]+)?)(?!`)/g, '`$1`'),
  ]
}

function table(): string {
  const rows = Object.values(SETTINGS).map((setting) => rowOf(setting as Setting<unknown>))
  const widths = HEAD.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

t.test('docs/CONFIGURATION.md has a line for every setting, with all that the table says', async (t) => {
  const text = readFileSync(PATH, 'utf8')
  const start = text.indexOf('| section ')
  const end = text.indexOf('\n\n', start)
  if (process.env['DAVENPORT_WRITE_DOCS'] === '1') {
    writeFileSync(PATH, `${text.slice(0, start)}${table()}${text.slice(end)}`)
    return
  }
  t.equal(text.slice(start, end), table())
})
