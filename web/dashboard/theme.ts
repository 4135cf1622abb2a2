/** Dark or light: as the system has it, unless somebody chose. */
import { byId, setText } from './elements.ts'

const THEMES = ['system', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]

const KEY = 'davenport-theme'

function chosen(): Theme {
  const found = localStorage.getItem(KEY)
  return THEMES.find((theme) => theme === found) ?? 'system'
}

function apply(theme: Theme): void {
  const { dataset } = document.documentElement
  if (theme === 'system') delete dataset['theme']
  else dataset['theme'] = theme
  setText(byId('theme'), `Theme: ${theme}`)
}

export function followTheme(): void {
  apply(chosen())
  byId('theme').addEventListener('click', () => {
    const theme = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length]!
    localStorage.setItem(KEY, theme)
    apply(theme)
  })
}
