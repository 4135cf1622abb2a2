import { readFileSync } from 'node:fs'
import t from 'tap'
import { SETTINGS } from '../../src/config/settings.ts'

t.test('docs/CONFIGURATION.md has a line for every setting, with its default', async (t) => {
  const rows = readFileSync('docs/CONFIGURATION.md', 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  for (const setting of Object.values(SETTINGS)) {
    const row = rows.find((cells) => cells[1] === setting.section && cells[2] === setting.key)
    t.ok(row, `${setting.section}/${setting.key}`)
    t.equal(row?.[3], setting.default === undefined ? '' : String(setting.default))
    t.equal(row?.[4], setting.doc.replaceAll('`', ''))
  }
})
