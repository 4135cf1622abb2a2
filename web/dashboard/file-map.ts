/** Where in a database's file lies what: a strip of the file from its beginning to its end, and what each colour is. */
import { make } from './elements.ts'
import { bytesText, shareText } from './format.ts'

/** As src/database/layout/file-map.ts makes it. */
export interface FileMap {
  readonly fileBytes: number
  readonly kinds: readonly { readonly family: string; readonly title: string }[]
  /** Bytes by kind. */
  readonly totals: readonly number[]
  /** Bytes by kind for each stretch of the file. */
  readonly buckets: readonly (readonly number[])[]
}

const SVG = 'http://www.w3.org/2000/svg'
const HEIGHT = 100
/** Stretches that are told apart: more than a screen has points are of no use. */
const MOST_COLUMNS = 250

export function drawMap(name: string, map: FileMap): HTMLElement {
  const legend = make('ul', { class: 'legend' })
  const order = map.kinds.map((_, at) => at).filter((at) => map.totals[at]! > 0)
  for (const at of order) {
    const { family, title } = map.kinds[at]!
    const bytes = map.totals[at]!
    const text = `${title} ${bytesText(bytes)}, ${shareText(bytes / map.fileBytes)}`
    legend.append(make('li', {}, make('span', { class: `swatch ${family}`, 'aria-hidden': 'true' }), text))
  }
  return make('figure', { class: 'map' }, strip(name, map), legend)
}

/** One path for each kind, however many stretches there are. */
function strip(name: string, { kinds, buckets }: FileMap): SVGElement {
  const columns = merged(buckets)
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', `0 0 ${columns.length} ${HEIGHT}`)
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `The file of ${name}, from its beginning to its end`)
  const paths = kinds.map(() => '')
  for (const [x, column] of columns.entries()) {
    const whole = column.reduce((sum, bytes) => sum + bytes, 0)
    let y = HEIGHT
    for (const [kind, bytes] of column.entries()) {
      if (bytes === 0) continue
      const height = (bytes / whole) * HEIGHT
      y -= height
      paths[kind] += `M${x} ${y.toFixed(1)}h1v${height.toFixed(1)}h-1z`
    }
  }
  for (const [kind, path] of paths.entries()) {
    if (path === '') continue
    const shape = document.createElementNS(SVG, 'path')
    shape.setAttribute('class', kinds[kind]!.family)
    shape.setAttribute('d', path)
    svg.append(shape)
  }
  return svg
}

function merged(buckets: FileMap['buckets']): number[][] {
  const size = Math.ceil(buckets.length / MOST_COLUMNS)
  const columns: number[][] = []
  for (let at = 0; at < buckets.length; at += size) {
    const [first, ...others] = buckets.slice(at, at + size)
    columns.push(first!.map((bytes, kind) => others.reduce((sum, each) => sum + each[kind]!, bytes)))
  }
  return columns
}
