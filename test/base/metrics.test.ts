/** What a thread counts, read by another; histograms of the last seconds; threads that have ended. */
import t from 'tap'
import { METRIC_NAMES, METRICS } from '../../src/base/metric-table.ts'
import { BIN_COUNT, binStart, Metrics, MOST_WINDOW_SECONDS } from '../../src/base/metrics.ts'

const NOW = 1_800_000_000_500

function binsOf(metrics: Metrics, nowMs: number, seconds: number): number[] {
  const bins = new Float64Array(BIN_COUNT)
  metrics.addBins('couchdb.request_time', bins, nowMs, seconds)
  return [...bins].flatMap((count, bin) => Array.from({ length: count }, () => bin))
}

t.test('counters of one thread are seen by another that has its memory', async (t) => {
  const own = new Metrics()
  const seen = new Metrics(own.buffer)
  own.count('couchdb.database_reads')
  own.count('couchdb.database_reads', 4)
  own.countStatus(404)
  own.countStatus(418)
  own.countStatus(9999)
  own.countMethod('COPY')
  own.countMethod('BREW')
  t.equal(seen.value('couchdb.database_reads'), 5)
  t.equal(seen.value('couchdb.httpd_status_codes.404'), 1)
  t.equal(seen.value('couchdb.httpd_request_methods.COPY'), 1)
  const all = METRIC_NAMES.reduce((sum, name) => sum + seen.value(name), 0)
  t.equal(all, 7, 'codes and methods that CouchDB does not count are counted nowhere')
})

t.test('every value is in the bin whose bounds it lies between', async (t) => {
  t.equal(BIN_COUNT, 230, "as many as CouchDB's")
  for (const value of [0.01, 0.011, 0.5, 1, 1.124, 1.125, 3, 999.9, 4_000_000]) {
    const metrics = new Metrics()
    metrics.observe('couchdb.request_time', value, NOW)
    const [bin] = binsOf(metrics, NOW, 1)
    t.ok(binStart(bin!) <= value && value < binStart(bin! + 1), `${value} in ${bin}`)
  }
  for (const [value, bin] of [
    [0, 0],
    [-5, 0],
    [1e300, BIN_COUNT - 1],
  ]) {
    const metrics = new Metrics()
    metrics.observe('couchdb.request_time', value!, NOW)
    t.same(binsOf(metrics, NOW, 1), [bin], `${value}`)
  }
})

t.test('a histogram forgets what is older than it is asked for, its sum does not', async (t) => {
  const metrics = new Metrics()
  metrics.observe('couchdb.request_time', 1, NOW)
  metrics.observe('couchdb.request_time', 2, NOW + 1000)
  t.equal(binsOf(metrics, NOW + 1000, 1).length, 1)
  t.equal(binsOf(metrics, NOW + 1000, 2).length, 2)
  t.equal(binsOf(metrics, NOW + 9000, 10).length, 2)
  t.equal(binsOf(metrics, NOW + 10_000, 10).length, 1)
  t.equal(binsOf(metrics, NOW + 3_600_000, MOST_WINDOW_SECONDS).length, 0)
  for (let second = 2; second < 300; second++) metrics.observe('couchdb.request_time', 1, NOW + second * 1000)
  t.equal(binsOf(metrics, NOW + 299_000, MOST_WINDOW_SECONDS).length, MOST_WINDOW_SECONDS)
  t.equal(metrics.value('couchdb.request_time'), 300)
  t.equal(metrics.sum('couchdb.request_time'), 301)
})

t.test('what a thread has counted outlives it, but for what it had at the time', async (t) => {
  const total = new Metrics()
  total.observe('couchdb.request_time', 1, NOW)
  total.observe('couchdb.request_time', 1, NOW - 5000)
  const ended = new Metrics()
  ended.count('couchdb.httpd.requests', 3)
  ended.count('couchdb.httpd.clients_requesting_changes', 2)
  ended.observe('couchdb.request_time', 4, NOW)
  const endedBefore = new Metrics()
  // In the slot that NOW has taken since.
  endedBefore.observe('couchdb.request_time', 4, NOW - (MOST_WINDOW_SECONDS + 2) * 1000)
  total.absorb(endedBefore)
  total.absorb(ended)
  t.equal(total.value('couchdb.httpd.requests'), 3)
  t.equal(total.value('couchdb.httpd.clients_requesting_changes'), 0)
  t.equal(total.value('couchdb.request_time'), 4)
  t.equal(total.sum('couchdb.request_time'), 10)
  t.equal(binsOf(total, NOW, 10).length, 3)
})

t.test('the table: every figure says what it is and in which unit', async (t) => {
  for (const { path, unit, description } of METRICS.values()) {
    t.match(unit, /^[a-z-]+$/, path.join('.'))
    t.match(description, /\S/)
  }
})
