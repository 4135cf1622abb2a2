/** Requests by kind, and the slowest of them. */
import { byId, KeyedList, make, setText } from './elements.ts'
import { durationText, numberText, timeText } from './format.ts'
import type { KindFigures, SlowRequest } from './sections.ts'

const TITLES: Readonly<Record<string, string>> = {
  read: 'Reads of documents',
  write: 'Writes of documents',
  bulk: 'Many documents at once',
  list: 'Lists of documents',
  changes: 'Changes',
  view: 'Views',
  find: 'Mango',
  attachment: 'Attachments',
  other: 'All others',
}

/** A row whose cells are texts; the first is its head where `hasHead` says so. */
function textRow(classes: readonly string[], hasHead: boolean) {
  const cells = classes.map((name, at) => {
    const attributes = name === '' ? {} : { class: name }
    return at === 0 && hasHead ? make('th', { scope: 'row', ...attributes }) : make('td', attributes)
  })
  const update = (texts: readonly string[]): void => {
    for (const [at, cell] of cells.entries()) setText(cell, texts[at]!)
  }
  return { element: make('tr', {}, ...cells), update }
}

export class RequestTables {
  readonly #kinds = new KeyedList<readonly string[]>(byId('kinds'), () =>
    textRow(['', 'number', 'number', 'number'], true),
  )
  readonly #slowest = new KeyedList<readonly string[]>(byId('slow'), () =>
    textRow(['', '', 'number', 'number', 'number'], true),
  )
  #slow: readonly SlowRequest[] = []

  constructor() {
    setInterval(() => this.#showSlow(), 5000)
    this.kinds([])
  }

  /** All kinds have a line, so that none moves when another comes. */
  kinds(figures: readonly KindFigures[]): void {
    const byKind = new Map(figures.map((each) => [each.kind, each]))
    this.#kinds.show(
      Object.entries(TITLES).map(([kind, title]) => {
        const { perSecond = 0, p50 = 0, p99 = 0 } = byKind.get(kind) ?? {}
        return [kind, [title, perSecond === 0 ? '–' : numberText(perSecond), timeText(p50), timeText(p99)]]
      }),
    )
  }

  slow(requests: readonly SlowRequest[]): void {
    this.#slow = requests
    this.#showSlow()
  }

  #showSlow(): void {
    this.#slowest.show(
      this.#slow.map(({ method, route, database, status, durationMs, endedMs }) => {
        const shown = `${method} /${placeOf(route)}`
        const ago = `${durationText(Math.max(0, (Date.now() - endedMs) / 1000))} ago`
        return [
          `${endedMs} ${durationMs}`,
          [shown, database ?? '–', timeText(durationMs), String(status), ago],
        ]
      }),
    )
  }
}

/** As documentation writes it. */
function placeOf(route: string): string {
  if (route === 'database') return '{db}'
  if (route === 'db/document') return '{db}/{id}'
  return route.replace(/^db\//, '{db}/').replace(/^design\//, '{db}/_design/{id}/')
}
