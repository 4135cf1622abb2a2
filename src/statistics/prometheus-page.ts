/**
 * The figures as a page of Prometheus' text format, with the names that CouchDB 3.5 gives them: those of `_stats`, joined,
 * where two counters are not one with a total, a family with labels, or a gauge because they fall, too. Figures of the
 * runtime have the names that CouchDB's have of Erlang's.
 */
import { Counter, Gauge, type Metric as PromMetric, Registry } from 'prom-client'
import { METRICS, type Metric, type MetricName } from '../base/metric-table.ts'
import type { SystemFigures } from './system-figures.ts'
import type { Distribution, Figures } from './totals.ts'

const PREFIX = 'couchdb_'

/** Counters of what went well that are told together with what went wrong. */
const JOINED: Partial<Record<MetricName, { with: MetricName; as: string; help: string }>> = {
  'couchdb.auth_cache_hits': {
    with: 'couchdb.auth_cache_misses',
    as: 'auth_cache_requests_total',
    help: 'number of authentication cache requests',
  },
  'couch_replicator.checkpoints.success': {
    with: 'couch_replicator.checkpoints.failure',
    as: 'couch_replicator_checkpoints_total',
    help: 'number of checkpoint saves',
  },
  'couch_replicator.responses.success': {
    with: 'couch_replicator.responses.failure',
    as: 'couch_replicator_responses_total',
    help: 'number of HTTP responses received by the replicator',
  },
  'couch_replicator.stream_responses.success': {
    with: 'couch_replicator.stream_responses.failure',
    as: 'couch_replicator_stream_responses_total',
    help: 'number of streaming HTTP responses received by the replicator',
  },
  'ddoc_cache.hit': {
    with: 'ddoc_cache.miss',
    as: 'ddoc_cache_requests_total',
    help: 'number of design doc cache requests',
  },
  'fabric.read_repairs.success': {
    with: 'fabric.read_repairs.failure',
    as: 'fabric_read_repairs_total',
    help: 'number of fabric read repairs',
  },
}

const RENAMED: Partial<Record<MetricName, string>> = {
  'ddoc_cache.miss': 'ddoc_cache_requests_failures_total',
  'ddoc_cache.recovery': 'ddoc_cache_requests_recovery_total',
  'fabric.read_repairs.failure': 'fabric_read_repairs_failures_total',
}

/** Counters of `_stats` that fall, too. */
const FALLING = new Set<MetricName>([
  'couchdb.httpd.clients_requesting_changes',
  'couchdb.open_databases',
  'couchdb.open_os_files',
])

/** Counters that differ in the last member of their path are one family, with that member as a label. */
const FAMILIES = [
  {
    path: 'couch_log.level.',
    name: 'couch_log_requests_total',
    label: 'level',
    help: 'number of logged messages',
  },
  {
    path: 'couchdb.httpd_request_methods.',
    name: 'httpd_request_methods',
    label: 'method',
    help: 'number of HTTP requests by method',
  },
  {
    path: 'couchdb.httpd_status_codes.',
    name: 'httpd_status_codes',
    label: 'code',
    help: 'number of HTTP responses by status code',
  },
] as const

const QUANTILES: Readonly<Record<number, string>> = {
  50: '0.5',
  75: '0.75',
  90: '0.9',
  95: '0.95',
  99: '0.99',
  999: '0.999',
}

/** Prometheus counts time in seconds. */
const SECONDS: Readonly<Record<string, number>> = { milliseconds: 1e-3, microseconds: 1e-6 }

export async function prometheusPage(figures: Figures, system: SystemFigures): Promise<string> {
  const page = new Page()
  for (const [name, metric] of METRICS) addFigure(page, figures, name, metric)
  addSystem(page, system)
  return page.text()
}

/** Every metric has its unit in its help. */
class Page {
  readonly #registry = new Registry()
  readonly #families = new Map<string, Counter>()

  #options(name: string, help: string, unit: string) {
    return { name: `${PREFIX}${name}`, help: `${help} (unit: ${unit})`, registers: [this.#registry] }
  }

  counter(name: string, help: string, unit: string, value: number): void {
    new Counter(this.#options(name, help, unit)).inc(value)
  }

  gauge(name: string, help: string, unit: string, value: number): void {
    new Gauge(this.#options(name, help, unit)).set(value)
  }

  gauges(name: string, help: string, unit: string, label: string, values: Record<string, number>): void {
    const gauge = new Gauge({ ...this.#options(name, help, unit), labelNames: [label] })
    for (const [key, value] of Object.entries(values)) gauge.set({ [label]: key }, value)
  }

  member(family: (typeof FAMILIES)[number], unit: string, member: string, value: number): void {
    const { name, help, label } = family
    let counter = this.#families.get(name)
    if (counter === undefined) {
      counter = new Counter({ ...this.#options(name, help, unit), labelNames: [label] })
      this.#families.set(name, counter)
    }
    counter.inc({ [label]: member }, value)
  }

  /** The package computes quantiles by itself alone, so it is given a metric that has them. */
  summary(name: string, { description, unit }: Metric, { summary, count, sum }: Distribution): void {
    const factor = SECONDS[unit] ?? 1
    const told = this.#options(name, description, factor === 1 ? unit : 'seconds')
    const values = [
      ...summary.percentile.map(([key, value]) => ({
        labels: { quantile: QUANTILES[key]! },
        value: value * factor,
      })),
      { metricName: `${told.name}_sum`, labels: {}, value: sum * factor },
      { metricName: `${told.name}_count`, labels: {}, value: count },
    ]
    const metric = {
      name: told.name,
      get: async () => ({ name: told.name, help: told.help, type: 'summary', values }),
    }
    this.#registry.registerMetric(metric as unknown as PromMetric)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

function addFigure(page: Page, figures: Figures, name: MetricName, metric: Metric): void {
  const figure = figures.get(name)!
  const { path, kind, unit, description } = metric
  const plain = (path[0] === 'couchdb' ? path.slice(1) : path).join('_')
  if (typeof figure !== 'number') {
    page.summary(`${plain}_seconds`, metric, figure)
    return
  }
  if (kind === 'gauge' || FALLING.has(name)) {
    page.gauge(plain, description, unit, figure)
    return
  }
  const family = FAMILIES.find((each) => name.startsWith(each.path))
  if (family !== undefined) {
    page.member(family, unit, path.at(-1)!, figure)
    return
  }
  const joined = JOINED[name]
  if (joined !== undefined) {
    page.counter(joined.as, joined.help, unit, figure + (figures.get(joined.with) as number))
    return
  }
  // `rexi_streams_timeout_total` is of the first stage, the others have names of their own.
  const named = RENAMED[name] ?? plain.replace('_timeout_init_stream', '_timeout')
  page.counter(named.endsWith('_total') ? named : `${named}_total`, description, unit, figure)
}

function addSystem(page: Page, system: SystemFigures): void {
  const { memory, queues } = system
  const lengths = Object.values(queues)
  const sum = lengths.reduce((total, length) => total + length, 0)
  page.counter('uptime_seconds', 'time since the server was started', 'seconds', system.uptimeSeconds)
  page.gauges('membership', 'number of nodes', 'nodes', 'nodes', { all_nodes: 1, cluster_nodes: 1 })
  page.gauge('internal_replication_jobs', 'number of internal replication jobs', 'jobs', 0)
  page.gauge('couchdb_bt_engine_cache_memory', 'memory of the cache of pages', 'bytes', system.cacheBytes)
  page.gauge('couchdb_bt_engine_cache_size', 'number of pages in the cache', 'pages', system.cachePages)
  page.counter('erlang_io_recv_bytes_total', 'bytes that were read', 'bytes', system.inputBytes)
  page.counter('erlang_io_sent_bytes_total', 'bytes that were written', 'bytes', system.outputBytes)
  page.gauge('erlang_message_queues', 'requests that wait for other threads', 'requests', sum)
  page.gauge('erlang_message_queue_min', 'length of the shortest queue', 'requests', Math.min(...lengths))
  page.gauge('erlang_message_queue_max', 'length of the longest queue', 'requests', Math.max(...lengths))
  page.gauges('erlang_message_queue_size', 'length of each queue', 'requests', 'queue_name', queues)
  page.gauge(
    'erlang_scheduler_queues',
    'calls that the writing thread has not answered',
    'calls',
    queues['core']!,
  )
  page.gauge(
    'erlang_dirty_cpu_scheduler_queues',
    'passwords that are being hashed or wait for it',
    'passwords',
    queues['password_hashing']!,
  )
  page.gauges('erlang_memory_bytes', 'memory of the process by its use', 'bytes', 'memory_type', memory)
  page.counter('erlang_gc_collections_total', 'garbage collections: not counted', 'collections', 0)
  page.counter('erlang_gc_words_reclaimed_total', 'words that were reclaimed: not counted', 'words', 0)
  page.counter(
    'erlang_context_switches_total',
    'context switches of the process',
    'switches',
    system.contextSwitches,
  )
  page.counter('erlang_reductions_total', 'reductions: not counted', 'reductions', 0)
  page.gauge('erlang_processes', 'threads of the process', 'threads', system.threads)
  page.gauge('erlang_process_limit', 'most threads that the user may have', 'threads', system.mostThreads)
  page.gauge('erlang_ets_table', 'tables in memory: there are none', 'tables', 0)
}
