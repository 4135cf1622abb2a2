/** The figures of the moment, with a line of the last two minutes for those that are worth one. */
import { byId, make, setText } from './elements.ts'
import { bytesText, numberText, shareText, timeText } from './format.ts'
import type { KindFigures, ProcessFigures, StorageFigures } from './sections.ts'

/** A point a second. */
const POINTS = 120
const HEIGHT = 24
const SVG = 'http://www.w3.org/2000/svg'

class Tile {
  readonly #value = make('dd', { class: 'value' }, '–')
  readonly #more = make('dd', { class: 'more' })
  readonly #path: SVGPathElement | undefined
  readonly #points: number[] = []
  #now = 0

  constructor(parent: HTMLElement, title: string, hasLine: boolean) {
    const tile = make('div', {}, make('dt', {}, title), this.#value, this.#more)
    if (hasLine) {
      const line = document.createElementNS(SVG, 'svg')
      line.setAttribute('viewBox', `0 0 ${POINTS - 1} ${HEIGHT}`)
      line.setAttribute('preserveAspectRatio', 'none')
      line.setAttribute('class', 'line')
      line.setAttribute('aria-hidden', 'true')
      this.#path = document.createElementNS(SVG, 'path')
      line.append(this.#path)
      tile.append(make('dd', { 'aria-hidden': 'true' }, line))
    }
    parent.append(tile)
  }

  show(text: string, more: string, value = 0): void {
    setText(this.#value, text)
    setText(this.#more, more)
    this.#now = value
  }

  /** A second has gone. */
  step(): void {
    if (this.#path === undefined) return
    const isFlat =
      this.#now === 0 && this.#points.length === POINTS && this.#points.every((each) => each === 0)
    if (isFlat) return
    this.#points.push(this.#now)
    if (this.#points.length > POINTS) this.#points.shift()
    const most = Math.max(...this.#points, Number.MIN_VALUE)
    const first = POINTS - this.#points.length
    const places = this.#points.map((each, at) => {
      const y = HEIGHT - 1 - (each / most) * (HEIGHT - 2)
      return `${first + at} ${y.toFixed(1)}`
    })
    this.#path.setAttribute('d', `M${places.join('L')}`)
  }
}

export class Tiles {
  readonly #parent = byId('tiles')
  readonly #requests = new Tile(this.#parent, 'Requests a second', true)
  readonly #writes = new Tile(this.#parent, 'Writes a second', true)
  readonly #loop = new Tile(this.#parent, 'Event loop', true)
  readonly #commits = new Tile(this.#parent, 'Commits a second', true)
  readonly #syncs = new Tile(this.#parent, 'Sync to disk, p50', false)
  readonly #cache = new Tile(this.#parent, 'Cache of pages', false)
  readonly #memory = new Tile(this.#parent, 'Memory', false)
  readonly #open = new Tile(this.#parent, 'Open databases', false)

  constructor() {
    setInterval(() => {
      for (const tile of [this.#requests, this.#writes, this.#loop, this.#commits]) tile.step()
    }, 1000)
  }

  requests(kinds: readonly KindFigures[]): void {
    const perSecond = kinds.reduce((sum, kind) => sum + kind.perSecond, 0)
    const p99 = Math.max(0, ...kinds.map((kind) => kind.p99))
    const more = p99 === 0 ? 'none of late' : `slowest kind: p99 ${timeText(p99)}`
    this.#requests.show(numberText(perSecond), more, perSecond)
  }

  storage(figures: StorageFigures): void {
    const { readsPerSecond, writesPerSecond, commitsPerSecond, documentsPerCommit } = figures
    const { syncP50, syncP99, cacheHits } = figures
    this.#writes.show(
      numberText(writesPerSecond),
      `${numberText(readsPerSecond)} documents read`,
      writesPerSecond,
    )
    const group = groupText(documentsPerCommit)
    this.#commits.show(numberText(commitsPerSecond), group, commitsPerSecond)
    this.#syncs.show(timeText(syncP50), syncP99 === 0 ? 'none of late' : `p99 ${timeText(syncP99)}`)
    this.#cache.show(
      cacheHits === null ? '–' : shareText(cacheHits),
      cacheHits === null ? 'not asked of late' : 'hits',
    )
  }

  process({ busy, lateMs, memory, open, threads }: ProcessFigures): void {
    const late = lateMs === 0 ? 'in time' : `up to ${lateMs} ms late`
    this.#loop.show(`${shareText(busy)} busy`, late, busy)
    this.#memory.show(bytesText(memory), threads === 1 ? '1 thread' : `${threads} threads`)
    this.#open.show(numberText(open), 'of those below')
  }
}

function groupText(documents: number): string {
  if (documents === 0) return 'none of late'
  return documents === 1 ? '1 document each' : `${numberText(documents)} documents each`
}
