/** The table of databases: filtered and a page at a time, so that only the rows that are seen are drawn. */
import { byId, KeyedList, make, makeBar, setBar, setText } from './elements.ts'
import { drawMap, type FileMap } from './file-map.ts'
import { bytesText, numberText } from './format.ts'
import type { DatabaseRow } from './sections.ts'

const PAGE_ROWS = 20

export class Databases {
  readonly #rows = new Map<string, DatabaseRow>()
  #count = 0
  #names: readonly string[] = []
  #page = 0
  readonly #filter = byId<HTMLInputElement>('filter')
  readonly #caption = byId('databases-caption')
  readonly #pages = byId('pages')
  readonly #pageText = byId('page')
  readonly #previous = byId<HTMLButtonElement>('previous')
  readonly #next = byId<HTMLButtonElement>('next')
  readonly #map = byId<HTMLDialogElement>('map-dialog')
  readonly #list: KeyedList<DatabaseRow | undefined>

  /** `fetchMap` resolves to undefined where there is no map; `compact` is called with the database that somebody wants to compact; undefined: nobody here may. */
  constructor(
    fetchMap: (name: string) => Promise<FileMap | undefined>,
    compact: ((name: string) => void) | undefined,
  ) {
    const showMap = (name: string): void => void this.#showMap(name, fetchMap)
    this.#list = new KeyedList(byId('databases'), (name) => databaseRow(name, showMap, compact))
    byId('map-close').addEventListener('click', () => this.#map.close())
    this.#filter.addEventListener('input', () => this.#turnTo(0))
    this.#previous.addEventListener('click', () => this.#turnTo(this.#page - 1))
    this.#next.addEventListener('click', () => this.#turnTo(this.#page + 1))
  }

  list(count: number, names: readonly string[]): void {
    this.#count = count
    this.#names = names
    const known = new Set(names)
    for (const name of this.#rows.keys()) if (!known.has(name)) this.#rows.delete(name)
  }

  put(name: string, row: DatabaseRow): void {
    this.#rows.set(name, row)
  }

  draw(): void {
    const wanted = this.#filter.value.trim().toLowerCase()
    const found = this.#names.filter((name) => name.includes(wanted))
    const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS))
    this.#page = Math.min(this.#page, pages - 1)
    const names = found.slice(this.#page * PAGE_ROWS, (this.#page + 1) * PAGE_ROWS)
    this.#list.show(names.map((name) => [name, this.#rows.get(name)]))
    const hidden = this.#count - this.#names.length
    const more = hidden === 0 ? '' : `, of which the first ${this.#names.length} by name are shown`
    const filtered = wanted === '' ? '' : `; ${numberText(found.length)} match`
    setText(this.#caption, `${numberText(this.#count)} in all${more}${filtered}`)
    this.#pages.hidden = pages === 1
    setText(this.#pageText, `Page ${this.#page + 1} of ${pages}`)
    this.#previous.disabled = this.#page === 0
    this.#next.disabled = this.#page === pages - 1
  }

  async #showMap(name: string, fetchMap: (name: string) => Promise<FileMap | undefined>): Promise<void> {
    const map = await fetchMap(name)
    if (map === undefined) return
    setText(byId('map-title'), `The file of ${name}`)
    byId('map').replaceChildren(drawMap(name, map))
    this.#map.showModal()
  }

  #turnTo(page: number): void {
    this.#page = page
    this.draw()
  }
}

function databaseRow(
  name: string,
  showMap: (name: string) => void,
  compact: ((name: string) => void) | undefined,
) {
  const figures = Array.from({ length: 5 }, () => make('td', { class: 'number' }))
  const bar = makeBar()
  const button = (title: string, run: (name: string) => void): HTMLElement => {
    const made = make('button', { type: 'button', 'aria-label': `${title} ${name}` }, title)
    made.addEventListener('click', () => run(name))
    return made
  }
  const action = make('td', {}, button('Map', showMap))
  if (compact !== undefined) action.append(' ', button('Compact', compact))
  const head = make('th', { scope: 'row', title: name }, name)
  const element = make('tr', {}, head, ...figures, make('td', {}, bar), action)
  const update = (row: DatabaseRow | undefined): void => {
    const wasted = row === undefined ? 0 : Math.max(0, row.file - row.live)
    const texts =
      row === undefined
        ? ['…', '…', '…', '…', '…']
        : [
            numberText(row.documents),
            numberText(row.deleted),
            bytesText(row.file),
            bytesText(row.live),
            bytesText(wasted),
          ]
    for (const [at, cell] of figures.entries()) setText(cell, texts[at]!)
    setBar(bar, row === undefined || row.file === 0 ? 0 : row.live / row.file)
  }
  return { element, update }
}
