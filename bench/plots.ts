/** Draws saved results of other benchmarks: a picture for each workload, figure or growth, as SVG. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawingsOf } from './draw-results.ts'
import type { Benchmark } from './tools.ts'

export const plots: Benchmark = {
  summary: 'draws saved results of http, btree and growth',
  flags: 'RESULTS.json ... [--folder .]',
  async run(args, print) {
    const { values, positionals } = parseArgs({
      args,
      options: { folder: { type: 'string', default: '.' } },
      allowPositionals: true,
    })
    if (positionals.length === 0) throw new RangeError('plots wants files of results')
    for (const path of positionals) for (const file of drawFile(path, values.folder)) print(file)
  },
}

/** Writes what a file of results gives into the folder, named by the file. Returns the paths. Throws RangeError. */
export function drawFile(path: string, folder: string): string[] {
  const drawings = drawingsOf(JSON.parse(readFileSync(path, 'utf8')))
  mkdirSync(folder, { recursive: true })
  return drawings.map(({ name, svg }) => {
    const file = join(folder, `${basename(path, '.json')}-${name}.svg`)
    writeFileSync(file, svg)
    return file
  })
}
