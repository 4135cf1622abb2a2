/** What reached the disk and what did not, of the changes that no sync had covered: as text, and as SVG. */
import { escapeHtml } from '../../base/page-text.ts'
import type { CallPlayer } from './call-player.ts'
import { type Choice, isName } from './models.ts'
import type { Pending } from './traced-tree.ts'

export interface PictureRow {
  readonly fate: 'kept' | 'lost' | 'torn' | 'hollow'
  readonly line: number
  readonly call: string
  readonly what: string
}

const MARKS = { kept: '●', lost: '○', torn: '◐', hollow: '◌' } as const
const COLOURS = { kept: '#2a7d3f', lost: '#b3261e', torn: '#c77700', hollow: '#7a7a7a' } as const

export function pictureOf(
  pending: readonly Pending[],
  fates: Choice,
  { tree, origins }: CallPlayer,
): PictureRow[] {
  const folder = tree.root.path
  const names = new Map<number, string>()
  for (const { inode, firstName } of tree.files()) {
    for (const { sequence } of inode.pending) names.set(sequence, firstName)
  }
  return pending.map((each) => {
    const { line, call } = origins.get(each.sequence) ?? { line: 0, call: '?' }
    return {
      fate: fates.get(each.sequence)?.kind ?? 'kept',
      line,
      call,
      what: `${names.get(each.sequence) ?? ''} ${describe(each, folder)}`.trim(),
    }
  })
}

function describe(each: Pending, folder: string): string {
  if (!isName(each)) {
    return each.kind === 'truncate'
      ? `to ${each.length} bytes`
      : `bytes ${each.position} to ${each.position + each.data.length}`
  }
  const place = each.folder.path === folder ? '' : `${each.folder.path.slice(folder.length + 1)}/`
  const name = (part: string | undefined) => (part === undefined ? undefined : `${place}${part}`)
  return [name(each.unsets), name(each.sets)].map((part) => part ?? 'nothing').join(' → ')
}

/** At most this many rows are told before what was lost, and after. */
const AROUND = 6

export function pictureText(rows: readonly PictureRow[]): string {
  const first = rows.findIndex(({ fate }) => fate !== 'kept')
  const last = rows.findLastIndex(({ fate }) => fate !== 'kept')
  const from = Math.max(0, first - AROUND)
  const to = first < 0 ? Math.min(rows.length, AROUND) : Math.min(rows.length, last + 1 + AROUND)
  const shown = rows.slice(from, to).map(({ fate, line, call, what }) => {
    return `    ${MARKS[fate]} ${String(line).padStart(6)}  ${call.padEnd(10)} ${what}`
  })
  const more = (count: number) => (count > 0 ? [`      … ${count} more, kept`] : [])
  return [...more(from), ...shown, ...more(rows.length - to)].join('\n')
}

const ROW = 20

export function pictureSvg(rows: readonly PictureRow[], title: string): string {
  const lines = rows.map(({ fate, line, call, what }, index) => {
    const y = (index + 2) * ROW
    const mark = `<circle cx="14" cy="${y - 4}" r="6" fill="${fate === 'kept' ? COLOURS.kept : 'none'}" stroke="${COLOURS[fate]}" stroke-width="2"/>`
    return `${mark}<text x="30" y="${y}">${escapeHtml(`${fate}  line ${line}  ${call}  ${what}`)}</text>`
  })
  const height = (rows.length + 3) * ROW
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="${height}" font-family="monospace" font-size="13">`,
    `<text x="8" y="${ROW}">${escapeHtml(title)}</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n')
}
