/** Goes through a file in a terminal: rows are chosen by keys, and what they lead to is shown. */
import type { FileInspection } from '../../../native-free-btree/index.ts'
import { messageOf } from '../lab-error.ts'
import { type Place, type View, viewOf } from './views.ts'

export interface Terminal {
  readonly rows: number
  readonly columns: number
  write(text: string): void
  /** The name of the next key, as node's readline calls it; undefined when there will be none. */
  key(): Promise<string | undefined>
}

/** The other screen, without a cursor; and back (xterm's control sequences). */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const CLEAR = '\u001b[2J\u001b[H'
const INVERSE = '\u001b[7m'
const PLAIN = '\u001b[0m'
const HELP = '↑ ↓ choose   → or Enter: go there   ← go up   q: end'
/** Lines that are not rows. */
const FRAME = 3

interface Screen {
  readonly view: View
  chosen: number
}

/** Until q, or until there are no more keys. */
export async function browse(inspection: FileInspection, file: string, terminal: Terminal): Promise<void> {
  const path: Screen[] = [await screenOf(inspection, { kind: 'file' })]
  let message = ''
  terminal.write(ENTER)
  try {
    for (;;) {
      const screen = path.at(-1)!
      terminal.write(picture(screen, file, message || HELP, terminal))
      message = ''
      const key = await terminal.key()
      if (key === undefined || key === 'q' || key === 'escape') return
      const { rows, above } = screen.view
      const step = { up: -1, k: -1, down: 1, j: 1, pageup: -page(terminal), pagedown: page(terminal) }[key]
      if (step !== undefined) {
        screen.chosen = Math.min(Math.max(screen.chosen + step, 0), Math.max(rows.length - 1, 0))
        continue
      }
      const isBack = ['left', 'h', 'backspace'].includes(key)
      const isInto = ['right', 'l', 'return', 'enter'].includes(key)
      try {
        if (isBack && path.length > 1) path.pop()
        else if (isBack && above !== undefined) path[0] = await screenOf(inspection, above)
        const to = isInto ? rows[screen.chosen]?.to : undefined
        if (to !== undefined) path.push(await screenOf(inspection, to))
      } catch (error) {
        message = messageOf(error)
      }
    }
  } finally {
    terminal.write(LEAVE)
  }
}

async function screenOf(inspection: FileInspection, place: Place): Promise<Screen> {
  const view = await viewOf(inspection, place)
  return {
    view,
    chosen: Math.max(
      view.rows.findIndex(({ to }) => to !== undefined),
      0,
    ),
  }
}

function page({ rows }: Terminal): number {
  return Math.max(rows - FRAME, 1)
}

/** The rows around the chosen one, as many as there is room for. */
function picture({ view, chosen }: Screen, file: string, foot: string, terminal: Terminal): string {
  const cut = (text: string): string => [...text].slice(0, terminal.columns).join('')
  const most = page(terminal)
  const from = Math.max(0, Math.min(chosen - (most >> 1), view.rows.length - most))
  const lines = view.rows.slice(from, from + most).map(({ text, to }, index) => {
    const line = cut(`${to === undefined ? '  ' : '→ '}${text}`)
    return from + index === chosen ? `${INVERSE}${line}${PLAIN}` : line
  })
  return `${CLEAR}${[cut(`${file}: ${view.title}`), '', ...lines].join('\r\n')}\r\n${cut(foot)}`
}
