import { closestMatch } from 'leven'
import type { Setting } from './setting.ts'
import { ADMINS_SECTION, SETTINGS } from './settings.ts'

/** Of so many characters of a name one may be another. */
const CHARACTERS_PER_SLIP = 3

/** `[section] key` of every setting; a key that the user names is NAME. */
const KNOWN: ReadonlyMap<string, Pick<Setting<unknown>, 'section' | 'key'>> = new Map(
  [...Object.values(SETTINGS), { section: ADMINS_SECTION, key: '*' }].map(({ section, key }) => [
    `[${section}] ${key === '*' ? 'NAME' : key}`,
    { section, key },
  ]),
)

/** The setting that somebody may have meant who wrote this: as `[section] key`; undefined where there is no such. */
export function nearestSetting(section: string, key: string): string | undefined {
  const elsewhere = [...KNOWN].filter(([, known]) => known.key === key && key !== '*')
  if (elsewhere.length === 1) return elsewhere[0]![0]
  const written = `[${section}] ${key}`
  const names = [...KNOWN.keys()].filter((name) => !name.endsWith(' NAME'))
  const found = nearest(written, names)
  if (found !== undefined) return found
  const sections = [...KNOWN.values()].filter((known) => known.key === '*').map((known) => known.section)
  const named = nearest(section, sections)
  return named === undefined || named === section ? undefined : `[${named}] NAME`
}

function nearest(written: string, names: readonly string[]): string | undefined {
  const maxDistance = Math.ceil(Math.min(written.length, 100) / CHARACTERS_PER_SLIP)
  return closestMatch(written, names, { maxDistance })
}
