/** `_stats`: the figures as a tree of objects, by the members of their paths. */
import { METRICS } from '../base/metric-table.ts'
import type { Figures } from './totals.ts'

/** What lies at the end of `path`; null where nothing does, as in CouchDB. */
export function statisticsAt(figures: Figures, path: readonly string[]): unknown {
  let found: unknown = treeOf(figures)
  for (const member of path) {
    const isObject = typeof found === 'object' && found !== null && !Array.isArray(found)
    if (!isObject || !Object.hasOwn(found as object, member)) return null
    found = (found as Record<string, unknown>)[member]
  }
  return found
}

function treeOf(figures: Figures): Record<string, unknown> {
  const tree: Record<string, unknown> = {}
  for (const [name, { path, kind, description }] of METRICS) {
    let branch = tree
    for (const member of path.slice(0, -1)) {
      branch[member] ??= {}
      branch = branch[member] as Record<string, unknown>
    }
    const figure = figures.get(name)!
    const value = typeof figure === 'number' ? figure : figure.summary
    branch[path.at(-1)!] = { value, type: kind, desc: description }
  }
  return tree
}
