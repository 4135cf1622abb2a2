import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { drawingsOf } from '../../bench/draw-results.ts'
import { drawFile } from '../../bench/plots.ts'
import { repositoryRoot } from '../../src/lab/peers/packages.ts'

const [RESULTS, PLOTS] = ['bench/results', 'docs/plots'].map((path) => join(repositoryRoot(), path)) as [
  string,
  string,
]

const HTTP = {
  figures: [
    { workload: 'get-64', target: 'threads <1>', rounds: [4000, 1000, 2000].map(roundOf) },
    { workload: 'get-64', target: 'constant', rounds: [4000].map(roundOf) },
    { workload: 'put-64', target: 'constant', rounds: [1500].map(roundOf) },
  ],
}

function roundOf(requestsPerSecond: number): { requestsPerSecond: number } {
  return { requestsPerSecond }
}

function spread(median: number): { median: number; min: number; max: number } {
  return { median, min: median, max: median }
}

/** Width of each bar. */
function bars(svg: string): number[] {
  return [...svg.matchAll(/<rect class="b\d" [^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width))
}

t.test('a workload is a picture, a server a bar as long as its median', async (t) => {
  const [get, put, ...more] = drawingsOf(HTTP)
  t.same([get?.name, put?.name, more], ['get-64', 'put-64', []])
  const [ours, constant] = bars(get!.svg)
  t.ok(Math.abs(constant! / ours! - 2) < 0.01, `${ours} and ${constant}`)
  t.match(get!.svg, /threads &#60;1&#62;/)
  t.match(get!.svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" /)
})

t.test('an engine without a figure has no bar', async (t) => {
  const results = {
    ours: { 'load.rate': spread(10), 'ranges.rate': spread(3) },
    other: { 'load.rate': spread(5) },
  }
  const drawn = drawingsOf({ benchmark: 'btree', results })
  t.same(
    drawn.map(({ name, svg }) => [name, bars(svg).length]),
    [
      ['load', 2],
      ['ranges', 1],
    ],
  )
})

t.test('growth is a line for each kind of operation', async (t) => {
  const sizeOf = (cpu: number) => ({ 'load.cpuPerDocument': spread(cpu), 'inserts.cpu': spread(2 * cpu) })
  const [drawn] = drawingsOf({ benchmark: 'growth', results: { 10000: sizeOf(1), 100000: sizeOf(3) } })
  const lines = [
    ...drawn!.svg.matchAll(/<polyline class="line s\d" points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"><title>/g),
  ]
  const heights = lines.map(([, from, to]) => Number(from) - Number(to))
  t.equal(heights.length, 2)
  t.ok(Math.abs(heights[1]! / heights[0]! - 2) < 0.05, `they rise by ${heights}`)
})

t.test('other files are refused', async (t) => {
  for (const saved of [undefined, 'text', {}, { benchmark: 'btree' }, { benchmark: 'views', results: {} }]) {
    t.throws(() => drawingsOf(saved), RangeError)
  }
})

t.test('the pictures of the pages are those of the results that are kept', async (t) => {
  const folder = t.testdir()
  const kept = readdirSync(PLOTS)
  const drawn = readdirSync(RESULTS)
    .filter((name) => kept.some((plot) => plot.startsWith(name.replace('.json', '-'))))
    .flatMap((name) => drawFile(join(RESULTS, name), folder))
  const again = new Map(drawn.map((path) => [basename(path), readFileSync(path, 'utf8')]))
  for (const plot of kept) t.equal(again.get(plot), readFileSync(join(PLOTS, plot), 'utf8'), plot)
})
