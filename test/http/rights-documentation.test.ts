/**
 * The table in docs/SECURITY.md is made from the table of rights. After a change of that run this file with
 * `DAVENPORT_WRITE_DOCS=1`, which writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { RouteName } from '../../src/http/request/rights.ts'
import { HOLDERS, KINDS, type Kind, type Line, lines } from '../support/rights.ts'

const PATH = 'docs/SECURITY.md'

const TITLES: Readonly<Record<Kind, string>> = {
  anybody: 'nobody signed in',
  user: 'a user',
  metrics: '`_metrics`',
  member: 'member',
  databaseAdmin: 'database admin',
  serverAdmin: 'server admin',
}

/** Of what is found by its place and not by its name. */
const SHOWN: Readonly<Partial<Record<RouteName, string>>> = {
  _utils: '/_utils',
  _dashboard: '/_dashboard/…',
  _backup: '/_backup/{db}',
  _node: '/_node/{node}/…',
  _scheduler: '/_scheduler/…',
  'db/document': '/{db}/{doc}',
  'db/attachment': '/{db}/{doc}/{attachment}',
  'db/local': '/{db}/_local/{doc}',
  'db/local-attachment': '/{db}/_local/{doc}/{attachment}',
  'db/design-redirect': '/{db}/_design%2F{doc}',
  'db/_partition': '/{db}/_partition/{partition}/…',
}

function shownPath({ route, path }: Line): string {
  const isBelow = path.startsWith(`/${route}/`) && !route.startsWith('db') && path.includes('/', 1)
  if (/^\/_dashboard\/./.test(path)) return path.replace('/more', '')
  if (isBelow && /\/(more|_stats|_system|_prometheus)$/.test(path)) {
    return path.replace('_local', '{node}').replace('/more', '/…')
  }
  if (route.startsWith('design/')) {
    return path.replace('DB', '{db}').replace('/doc/', '/{doc}/').replace('/name', '/…')
  }
  return SHOWN[route] ?? path.replace('DB', '{db}')
}

function cell({ right }: Line, kind: Kind): string {
  const { usual, system } = HOLDERS[right]
  if (!usual.includes(kind)) return ''
  if (!system.includes(kind)) return 'yes ¹'
  return right === 'writer' && kind === 'member' ? 'yes ²' : 'yes'
}

/** HEAD is GET. Nearly all methods at once are those of a feature that answers all of them alike. */
function shownMethods({ methods }: Line): string {
  return methods.length > 5 ? 'all' : methods.map((each) => (each === 'GET' ? 'GET, HEAD' : each)).join(', ')
}

function table(): string {
  const head = ['path', 'methods', ...KINDS.map((kind) => TITLES[kind])]
  const rows = lines().map((line) => [
    `\`${shownPath(line)}\``,
    shownMethods(line),
    ...KINDS.map((kind) => cell(line, kind)),
  ])
  rows.sort(
    ([a], [b]) =>
      Number(a!.includes('{db}')) - Number(b!.includes('{db}')) || (a! < b! ? -1 : a! > b! ? 1 : 0),
  )
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: string[]): string =>
    `| ${cells.map((each, at) => each.padEnd(widths[at]!)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

t.test('docs/SECURITY.md has a line for every rule', async (t) => {
  const text = readFileSync(PATH, 'utf8')
  const start = text.indexOf('| path ')
  const end = text.indexOf('\n\n', start)
  if (process.env['DAVENPORT_WRITE_DOCS'] === '1') {
    writeFileSync(PATH, `${text.slice(0, start)}${table()}${text.slice(end)}`)
    return
  }
  t.equal(text.slice(start, end), table())
})
