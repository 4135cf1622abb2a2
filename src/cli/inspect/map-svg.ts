/** A map of a file as a drawing: a row of cells after the other, each a stretch of the file, divided among what lies in it. */

import { bytesText, escapeHtml, percentText } from '../../base/page-text.ts'
import { type DatabaseMap, MAP_FAMILIES, type MapFamily } from '../../database/layout/file-map.ts'

const WIDTH = 1000
const COLUMNS = 80
const GAP = 1.5
const PITCH = WIDTH / COLUMNS
const CELL = PITCH - GAP
const LEGEND_COLUMNS = 3
const LEGEND_ROW = 24
const HEAD = 46
/** Of a bucket's tooltip. */
const MOST_NAMED = 6

/** In light and in dark. Apart in brightness too, and not by red and green alone. */
const COLOURS: Record<MapFamily, readonly [light: string, dark: string]> = {
  bodies: ['#2b66c9', '#6ea3ff'],
  attachments: ['#7a3fb8', '#c08cf5'],
  documents: ['#0e7c66', '#3ecdb0'],
  changes: ['#4fa88f', '#8fe0cc'],
  trees: ['#7f9b2e', '#c3da7a'],
  log: ['#c98a00', '#ffc95c'],
  structure: ['#6b7280', '#a3abb8'],
  earlier: ['#e59a86', '#b86a58'],
  garbage: ['#f3cdc4', '#6d3d36'],
  behind: ['#c4c7cd', '#565b66'],
  unread: ['#a3001b', '#ff4d6a'],
}

/** Classes `m-FAMILY` fill what has them; `--ink` and `--paper` are the colours of text and of what it stands on. */
export function mapStyle(): string {
  const rules = (at: 0 | 1): string =>
    MAP_FAMILIES.map(
      (family) => `.m-${family}{fill:${COLOURS[family][at]};background:${COLOURS[family][at]}}`,
    ).join('')
  return (
    `:root{color-scheme:light dark;--ink:#1b1f27;--soft:#5b6472;--paper:#fff;--line:#dfe3ea}${rules(0)}` +
    `@media (prefers-color-scheme:dark){:root{--ink:#e8eaf0;--soft:#9aa3b2;--paper:#14161b;--line:#2c313b}${rules(1)}}`
  )
}

/** The cells alone, without colours: `mapStyle` has them. */
export function mapCells(map: DatabaseMap, top: number): { readonly svg: string; readonly height: number } {
  const paths = new Map<MapFamily, string[]>()
  const tips: string[] = []
  for (const [index, bucket] of map.buckets.entries()) {
    const x = (index % COLUMNS) * PITCH
    const y = top + Math.floor(index / COLUMNS) * PITCH
    const total = bucket.reduce((sum, bytes) => sum + bytes, 0)
    let at = x
    for (const [kind, bytes] of bucket.entries()) {
      if (bytes === 0) continue
      const { family } = map.kinds[kind]!
      const width = (bytes / total) * CELL
      const path = paths.get(family) ?? []
      paths.set(family, path)
      path.push(`M${short(at)} ${short(y)}h${short(width)}v${short(CELL)}h-${short(width)}z`)
      at += width
    }
    tips.push(
      `<rect x="${short(x)}" y="${short(y)}" width="${short(CELL)}" height="${short(CELL)}">` +
        `<title>${escapeHtml(tipOf(map, index))}</title></rect>`,
    )
  }
  const drawn = [...paths].map(([family, path]) => `<path class="m-${family}" d="${path.join('')}"/>`)
  const height = Math.ceil(map.buckets.length / COLUMNS) * PITCH
  return { svg: `${drawn.join('')}<g fill="transparent">${tips.join('')}</g>`, height }
}

function tipOf({ bucketBytes, fileBytes, buckets, kinds }: DatabaseMap, index: number): string {
  const from = index * bucketBytes
  const to = Math.min(from + bucketBytes, fileBytes)
  const parts = buckets[index]!.map((bytes, kind) => ({ bytes, title: kinds[kind]!.title }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
  const named = parts
    .slice(0, MOST_NAMED)
    .map(({ bytes, title }) => `${percentText(bytes, to - from)} ${title}`)
  return [`${from} to ${to} (${bytesText(to - from)})`, ...named].join('\n')
}

/** Of nothing that a page is read by: a tenth of a unit. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100)
}

/** The whole drawing as a file of its own, with the legend. */
export function mapSvg(map: DatabaseMap, name: string): string {
  const rows = Math.ceil(map.kinds.length / LEGEND_COLUMNS)
  const top = HEAD + rows * LEGEND_ROW + 10
  const { svg, height } = mapCells(map, top)
  const legend = map.kinds.map(({ family, title }, index) => {
    const x = Math.floor(index / rows) * (WIDTH / LEGEND_COLUMNS)
    const y = HEAD + (index % rows) * LEGEND_ROW
    const bytes = map.totals[index]!
    const share = `${bytesText(bytes)}, ${percentText(bytes, map.fileBytes)}`
    return (
      `<rect class="m-${family}" x="${x}" y="${y}" width="14" height="14" rx="3"/>` +
      `<text x="${x + 22}" y="${y + 12}">${escapeHtml(title)} <tspan class="soft">${share}</tspan></text>`
    )
  })
  const about = `${bytesText(map.fileBytes)}, commit ${map.commit}; a cell is ${bytesText(map.bucketBytes)}`
  const style =
    `${mapStyle()}svg{background:var(--paper)}text{fill:var(--ink);font:13px system-ui,sans-serif}` +
    '.soft{fill:var(--soft)}.name{font-size:18px;font-weight:600}'
  const box = `-20 -10 ${WIDTH + 40} ${Math.ceil(top + height + 30)}`
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" width="${WIDTH + 40}" role="img">` +
    `<title>${escapeHtml(`Map of ${name}`)}</title><style>${style}</style>` +
    `<text class="name" x="0" y="16">${escapeHtml(name)}</text>` +
    `<text class="soft" x="0" y="34">${escapeHtml(about)}</text>${legend.join('')}${svg}</svg>\n`
  )
}
