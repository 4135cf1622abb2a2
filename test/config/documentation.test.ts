import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Setting } from '../../src/config/setting.ts'
import { SETTINGS } from '../../src/config/settings.ts'

/** What the documentation says a setting may be; empty where its sentence has to. */
function allowed({ type, bounds, choices }: Setting<unknown>): string {
  if (bounds !== undefined) return `${bounds.min} to ${bounds.max}`
  if (type === 'boolean') return 'true, false'
  return choices?.join(', ') ?? ''
}

t.test('docs/CONFIGURATION.md has a line for every setting, with all that the table says', async (t) => {
  const text = readFileSync('docs/CONFIGURATION.md', 'utf8')
  const [table] = text.slice(text.indexOf('| section ')).split('\n\n')
  const rows = table!
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  const settings: Setting<unknown>[] = Object.values(SETTINGS)
  for (const setting of settings) {
    const row = rows.find((cells) => cells[1] === setting.section && cells[2] === setting.key)
    const { default: value, effect, doc } = setting
    const expected = [value === undefined ? '' : String(value), allowed(setting), effect]
    t.same(row?.slice(3, 6), expected, `${setting.section}/${setting.key}`)
    t.equal(row?.[6], doc.replaceAll('`', ''))
  }
  t.equal(rows.length, settings.length, 'and no other')
})
