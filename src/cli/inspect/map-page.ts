/** A page that shows a database's file to those who want to know: it needs no server, and asks nobody for anything. */
import type { DescribedField, DescribedGroup, FileInspection } from '../../../native-free-btree/index.ts'
import { bytesText, escapeHtml, percentText } from '../../base/page-text.ts'
import type { DatabaseMap } from '../../database/layout/file-map.ts'
import { mapCells, mapStyle } from './map-svg.ts'
import { treeOutline } from './node-outline.ts'

/** The newest groups, and their first records. */
const MOST_GROUPS = 12
const MOST_RECORDS = 40

const STYLE = `
*{box-sizing:border-box}
body{margin:0 auto;padding:24px;max-width:1100px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:22px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:17px;margin:36px 0 8px}p{margin:6px 0}
.soft{color:var(--soft)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.bar{display:flex;height:18px;border-radius:5px;overflow:hidden;margin:16px 0 12px}.bar span{min-width:1px}
.map{width:100%;height:auto;display:block}.map rect:hover{stroke:var(--ink);stroke-width:1.5}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.swatch{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:8px}
details{border-left:2px solid var(--line);padding:2px 0 2px 12px;margin:4px 0}summary{cursor:pointer}
summary:focus-visible{outline:2px solid currentColor;outline-offset:2px}ol{margin:4px 0;padding-left:32px}
`

/** `file` is what the command line calls it. */
export async function mapPage(map: DatabaseMap, inspection: FileInspection, file: string): Promise<string> {
  const name = escapeHtml(file)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Map of ${name}</title><style>${mapStyle()}${STYLE}</style></head><body>
<h1>${name}</h1>
<p class="soft">${escapeHtml(aboutText(map, inspection))}</p>
<main>${kindsPart(map)}${mapPart(map)}${treesPart(map, inspection, file)}${await groupsPart(inspection, file)}</main>
</body></html>
`
}

function aboutText(
  { fileBytes, commit, groups, damaged, sampling }: DatabaseMap,
  { uuid }: FileInspection,
): string {
  const facts = [
    `${bytesText(fileBytes)} (${fileBytes} bytes)`,
    `commit ${commit}`,
    `${groups} groups`,
    `uuid ${uuid}`,
  ]
  if (damaged > 0) facts.push(`${damaged} nodes or values cannot be read`)
  if (sampling > 1) facts.push(`short values are estimated by one in ${sampling} stretches`)
  return facts.join(' · ')
}

function kindsPart({ kinds, totals, fileBytes }: DatabaseMap): string {
  const bar = kinds.map(
    ({ family, title }, i) =>
      `<span class="m-${family}" style="flex:${totals[i]}" title="${escapeHtml(title)}, ${percentText(totals[i]!, fileBytes)}"></span>`,
  )
  const rows = kinds.map(
    ({ family, title }, i) =>
      `<tr><td><span class="swatch m-${family}"></span>${escapeHtml(title)}</td>` +
      `<td class="n">${totals[i]}</td><td class="n">${bytesText(totals[i]!)}</td>` +
      `<td class="n">${percentText(totals[i]!, fileBytes)}</td></tr>`,
  )
  return (
    `<div class="bar" role="presentation">${bar.join('')}</div><div class="wide"><table>` +
    '<thead><tr><th>What the bytes are for</th><th class="n">bytes</th><th class="n"></th><th class="n">share</th></tr></thead>' +
    `<tbody>${rows.join('')}</tbody></table></div>`
  )
}

function mapPart(map: DatabaseMap): string {
  const { svg, height } = mapCells(map, 0)
  return (
    '<h2>Where they lie</h2>' +
    `<p class="soft">From the beginning of the file to its end, row by row. A cell is ${bytesText(map.bucketBytes)}.</p>` +
    `<svg class="map" viewBox="0 0 1000 ${Math.ceil(height)}" role="img" aria-label="The map of the file">${svg}</svg>`
  )
}

function treesPart(map: DatabaseMap, inspection: FileInspection, file: string): string {
  const parts = inspection.treeNames.map((tree) => {
    const counts = map.trees[tree]
    const nodes = counts === undefined ? '' : `${counts.leaves} leaves, ${counts.innerNodes} inner nodes`
    const patches = counts !== undefined && counts.patches > 0 ? `, ${counts.patches} of them as patches` : ''
    return (
      `<details><summary><b>${escapeHtml(tree)}</b> ` +
      `<span class="soft">${counts?.entries ?? 0} entries; ${nodes}${patches}</span></summary>` +
      `${treeOutline(inspection, tree, file)}</details>`
    )
  })
  return `<h2>Trees</h2>${parts.join('')}`
}

async function groupsPart(inspection: FileInspection, file: string): Promise<string> {
  const slots = (await inspection.superblocks()).map(
    (fields, slot) => `<details><summary>Slot ${slot}</summary>${fieldsTable(fields)}</details>`,
  )
  const groups: string[] = []
  let at = inspection.lastGroup
  while (at !== undefined && groups.length < MOST_GROUPS) {
    const group = await inspection.group(at, { most: MOST_RECORDS })
    groups.push(groupPart(group, file))
    at = group.previous
  }
  return (
    `<h2>Superblocks</h2>${slots.join('')}<h2>The last groups</h2>` +
    `<p class="soft">The newest first. Any other: <code>${escapeHtml(`davenport inspect ${file} --at POSITION`)}</code></p>` +
    groups.join('')
  )
}

function groupPart(
  { position, length, type, fields, recordCount, records }: DescribedGroup,
  file: string,
): string {
  const shown = records.map(
    (record) =>
      `<li><details><summary>${record.type} <span class="soft">at ${record.position}, ${bytesText(record.length)}</span>` +
      `</summary>${fieldsTable(record.fields)}</details></li>`,
  )
  const last = records.at(-1)
  const command = `davenport inspect ${file} --at ${last === undefined ? position : last.position + last.length}`
  const hidden = recordCount - records.length
  const more =
    hidden > 0 ? `<p class="soft">… and ${hidden} more: <code>${escapeHtml(command)}</code></p>` : ''
  return (
    `<details><summary>${type} group at ${position} <span class="soft">${bytesText(length)}, ${recordCount} records</span></summary>` +
    `${fieldsTable(fields)}<ol start="0">${shown.join('')}</ol>${more}</details>`
  )
}

function fieldsTable(fields: readonly DescribedField[]): string {
  const rows = fields.map(
    ({ position, length, type, name, value }) =>
      `<tr><td class="n">${position}</td><td class="n">${length}</td><td>${escapeHtml(type)}</td>` +
      `<td>${escapeHtml(name)}</td><td><code>${escapeHtml(value)}</code></td></tr>`,
  )
  return (
    '<div class="wide"><table><thead><tr><th class="n">position</th><th class="n">bytes</th><th>type</th><th>field</th>' +
    `<th>value</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  )
}
