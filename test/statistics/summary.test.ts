/** What is said of a histogram, against the same of the values themselves: a bin is an eighth of an octave wide. */
import t from 'tap'
import { BIN_COUNT, Metrics } from '../../src/base/metrics.ts'
import { type Summary, summarize } from '../../src/statistics/summary.ts'
import { Totals } from '../../src/statistics/totals.ts'

const NOW = 1_800_000_000_000
/** Of what is computed from the middles of bins. */
const TOLERANCE = 0.07

function summaryOf(values: readonly number[]): Summary {
  const metrics = new Metrics()
  for (const value of values) metrics.observe('fsync.time', value, NOW)
  const bins = new Float64Array(BIN_COUNT)
  metrics.addBins('fsync.time', bins, NOW, 1)
  return summarize(bins)
}

t.test('of nothing', async (t) => {
  const { n, min, max, percentile, histogram } = summaryOf([])
  t.same([n, min, max], [0, 0, 0])
  t.same(
    percentile,
    [50, 75, 90, 95, 99, 999].map((key) => [key, 0]),
  )
  t.same(histogram, [[0, 0]])
})

t.test('of values that lie about', async (t) => {
  const values = Array.from({ length: 10_000 }, (_, at) => 1 + (at % 100) + at / 1000)
  const summary = summaryOf(values)
  const sorted = [...values].sort((a, b) => a - b)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  const isNear = (got: number, want: number, what: string): void => {
    t.ok(Math.abs(got - want) <= want * TOLERANCE, `${what}: ${got} for ${want}`)
  }
  t.equal(summary.n, values.length)
  t.ok(summary.min <= sorted[0]! && summary.max >= sorted.at(-1)!)
  isNear(summary.arithmetic_mean, mean, 'mean')
  isNear(
    summary.geometric_mean,
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length),
    'geometric',
  )
  isNear(summary.harmonic_mean, values.length / values.reduce((sum, value) => sum + 1 / value, 0), 'harmonic')
  isNear(summary.variance, variance, 'variance')
  isNear(summary.standard_deviation, Math.sqrt(variance), 'deviation')
  for (const [key, value] of summary.percentile) {
    const share = key === 999 ? 0.999 : key / 100
    isNear(value, sorted[Math.floor(share * sorted.length)]!, `percentile ${key}`)
  }
  t.equal(summary.median, summary.percentile[0]![1])
  t.ok(Math.abs(summary.skewness) < 0.1 && Math.abs(summary.kurtosis + 1.2) < 0.1, 'flat, and of no side')
})

t.test('of one value again and again', async (t) => {
  const { n, skewness, kurtosis, standard_deviation } = summaryOf(Array(50).fill(7))
  t.same([n, skewness, kurtosis, standard_deviation], [50, 0, 0, 0])
})

t.test('of threads together, those that have ended too', async (t) => {
  const totals = new Totals()
  const [first, second] = [new Metrics(), new Metrics()]
  totals.add(first)
  totals.add(second)
  first.count('couchdb.httpd.requests', 2)
  second.count('couchdb.httpd.requests', 3)
  second.observe('couchdb.request_time', 5, NOW)
  totals.end(second)
  totals.end(second)
  second.count('couchdb.httpd.requests', 100)
  const figures = totals.figures(NOW, 10, { 'couchdb.open_databases': 9 })
  t.equal(figures.get('couchdb.httpd.requests'), 5)
  t.equal(figures.get('couchdb.open_databases'), 9)
  t.match(figures.get('couchdb.request_time'), { count: 1, sum: 5, summary: { n: 1 } })
})
