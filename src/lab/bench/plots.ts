/** Plots as SVG: lines over two axes, and bars. Colours come from the page's style (`plotStyle`). */
import { escapeHtml } from '../../base/page-text.ts'

const WIDTH = 520
const HEIGHT = 260
const LEFT = 66
const RIGHT = 30
const TOP = 12
const BOTTOM = 40

/** Legible on light and on dark paper; lines differ by their dashes too. */
const COLOURS = ['#2f7ed8', '#d9822b', '#2f9e5b', '#b04fc4', '#d1495b', '#168c94', '#9a8419', '#7a7f8c']
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '', '7 3', '2 3', '9 3 2 3']

/** Whether a plot is part of a page, or a file of its own. */
export type Place = 'page' | 'file'

export interface Series {
  readonly label: string
  /** Which store it is of: the same one has the same colour in every plot. */
  readonly index: number
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  readonly label: string
  readonly ticks: readonly (readonly [at: number, text: string])[]
  readonly from: number
  readonly to: number
}

/** For a plot that is a file by itself; a page has its own. */
const FILE_STYLE =
  '.plot{--ink:#1b1f27;--soft:#5b6472;--line:#dfe3ea}' +
  '@media (prefers-color-scheme:dark){.plot{--ink:#e8eaf0;--soft:#9aa3b2;--line:#2c313b}}'

const KEY_ROW = 18

export function plotStyle(): string {
  const lines = COLOURS.map(
    (colour, index) =>
      `.s${index}{stroke:${colour};stroke-dasharray:${DASHES[index] === '' ? 'none' : DASHES[index]}}.b${index}{fill:${colour}}`,
  )
  return `.plot text{fill:var(--soft);font:12px system-ui,sans-serif}.plot .grid{stroke:var(--line)}.plot .line{fill:none;stroke-width:2}.plot .whisker{stroke:var(--ink);stroke-width:1.5}${lines.join('')}`
}

export function colourClass(index: number): string {
  return `b${index % COLOURS.length}`
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** `title` is what is said where the picture is not seen. A file has a key of its lines. */
export function linePlot(
  title: string,
  series: readonly Series[],
  x: Axis,
  y: Axis,
  place: Place = 'page',
): string {
  const across = (at: number): number =>
    LEFT + ((at - x.from) / (x.to - x.from || 1)) * (WIDTH - LEFT - RIGHT)
  const up = (at: number): number =>
    HEIGHT - BOTTOM - ((at - y.from) / (y.to - y.from || 1)) * (HEIGHT - TOP - BOTTOM)
  const grid = [
    ...y.ticks.map(
      ([at, text]) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${short(up(at))}" y2="${short(up(at))}"/>` +
        `<text x="${LEFT - 6}" y="${short(up(at) + 4)}" text-anchor="end">${escapeHtml(text)}</text>`,
    ),
    ...x.ticks.map(
      ([at, text]) =>
        `<text x="${short(across(at))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${escapeHtml(text)}</text>`,
    ),
    `<text x="${short((LEFT + WIDTH - RIGHT) / 2)}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(x.label)}</text>`,
  ]
  const lines = series
    .filter(({ points }) => points.length > 0)
    .map(({ label, index, points }) => {
      const [first, second] = points
      // A line of one point is not seen.
      if (first !== undefined && second === undefined) {
        const place = `cx="${short(across(first[0]))}" cy="${short(up(first[1]))}"`
        return `<circle class="${colourClass(index)}" ${place} r="4"><title>${escapeHtml(label)}</title></circle>`
      }
      const path = points.map(([px, py]) => `${short(across(px))},${short(up(py))}`).join(' ')
      return `<polyline class="line s${index % COLOURS.length}" points="${path}"><title>${escapeHtml(label)}</title></polyline>`
    })
  if (place === 'page') return svg(title, HEIGHT, [...grid, ...lines], place)
  return svg(title, HEIGHT + series.length * KEY_ROW + 6, [...grid, ...lines, ...keyRows(series)], place)
}

/** Below the plot. */
function keyRows(series: readonly Series[]): string[] {
  return series.flatMap(({ label, index }, row) => {
    const y = HEIGHT + row * KEY_ROW + KEY_ROW / 2
    return [
      `<polyline class="line s${index % COLOURS.length}" points="${LEFT},${y} ${LEFT + 36},${y}"/>`,
      `<text x="${LEFT + 44}" y="${y + 4}">${escapeHtml(label)}</text>`,
    ]
  })
}

export interface Bar {
  readonly label: string
  readonly index: number
  readonly value: number
  readonly text: string
  readonly least: number
  readonly most: number
}

const BAR = 26
const LABELS = 170
const FIGURES = 96
/** Characters of a label that there is room for. */
const MOST_LABEL = 26

function shortened(label: string): string {
  return label.length > MOST_LABEL ? `${label.slice(0, MOST_LABEL - 1)}…` : label
}

/** One below another; a whisker goes from the least of the rounds to the most. */
export function barPlot(title: string, bars: readonly Bar[], place: Place = 'page'): string {
  const longest = Math.max(...bars.map(({ most }) => most), Number.MIN_VALUE)
  const across = (value: number): number => LABELS + (value / longest) * (WIDTH - LABELS - FIGURES)
  const drawn = bars.flatMap(({ label, index, value, text, least, most }, row) => {
    const y = 4 + row * BAR
    const middle = y + (BAR - 8) / 2
    return [
      `<text x="${LABELS - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(shortened(label))}<title>${escapeHtml(label)}</title></text>`,
      `<rect class="${colourClass(index)}" x="${LABELS}" y="${y}" width="${short(across(value) - LABELS)}" height="${BAR - 8}"/>`,
      `<line class="whisker" x1="${short(across(least))}" x2="${short(across(most))}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${short(across(most) + 8)}" y="${middle + 4}">${escapeHtml(text)}</text>`,
    ]
  })
  return svg(title, bars.length * BAR + 8, drawn, place)
}

function svg(title: string, height: number, parts: readonly string[], place: Place): string {
  const size = `class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img"`
  const inside = `<title>${escapeHtml(title)}</title>`
  if (place === 'page') return `<svg ${size}>${inside}${parts.join('')}</svg>`
  const style = `<style>${FILE_STYLE}${plotStyle()}</style>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${inside}${style}\n${parts.join('\n')}\n</svg>\n`
}
