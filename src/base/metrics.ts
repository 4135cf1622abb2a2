/**
 * The figures of one thread, in memory that the others can read. What holds:
 * - One thread alone counts, by plain additions: others read numbers that may be some additions old, and never half of one.
 * - A histogram has base-2 bins with eight to an octave, as CouchDB's: 14 bits of a value's binary form (IEEE 754) choose
 *   the bin. It keeps the values of some seconds back, a second in each slot; a slot is emptied when its turn comes again.
 * - What is counted costs an addition, what is measured two and the time, whether anybody asks or not.
 * - Times of requests by kind are in bins that only ever grow: whoever wants those of a while takes a difference.
 */
import { METRIC_NAMES, METRICS, type MetricName } from './metric-table.ts'
import { REQUEST_KINDS, type RequestKind } from './request-kinds.ts'
import { SlowRequests } from './slow-requests.ts'

/** Bins are of the values of which 0.01 and 4,000,000 are the first and the last, in whatever unit. */
const LEAST = 0.01
const MOST = 4_000_000
/** Of the upper half of a value, so many bits behind the 14 that choose the bin. */
const DROPPED_BITS = 17
/** The longest time that a histogram can be asked for. */
export const MOST_WINDOW_SECONDS = 60
/** One more is being filled, and one more may be emptied while it is read. */
const SLOTS = MOST_WINDOW_SECONDS + 2

const VALUE = new Float64Array(1)
const HALVES = new Uint32Array(VALUE.buffer)
const UPPER = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

function indexOf(value: number): number {
  VALUE[0] = value
  return HALVES[UPPER]! >>> DROPPED_BITS
}

const FIRST_INDEX = indexOf(LEAST)
export const BIN_COUNT = indexOf(MOST) - FIRST_INDEX + 1

function binOf(value: number): number {
  return indexOf(Math.min(MOST, Math.max(LEAST, value))) - FIRST_INDEX
}

/** The least value of a bin; of the one behind the last, the bound of the last. */
export function binStart(bin: number): number {
  HALVES[1 - UPPER] = 0
  HALVES[UPPER] = (bin + FIRST_INDEX) << DROPPED_BITS
  return VALUE[0]!
}

/** The histograms that the server has values for: the others are always empty. */
const MEASURED = [
  'couchdb.collect_results_time',
  'couchdb.db_open_time',
  'couchdb.dbinfo',
  'couchdb.httpd.bulk_docs',
  'couchdb.query_server.vdu_process_time',
  'couchdb.request_time',
  'fsync.time',
] as const satisfies readonly MetricName[]

export type HistogramName = (typeof MEASURED)[number]

const HISTOGRAMS = new Map<MetricName, number>(MEASURED.map((name, index) => [name, index]))

/** Index of each counter; a histogram's is that of its number of values, and the sum of them is behind it. */
const INDEXES = new Map<MetricName, number>()
let length = 0
for (const name of METRIC_NAMES) {
  INDEXES.set(name, length)
  length += METRICS.get(name)!.kind === 'histogram' ? 2 : 1
}
const COUNTERS = length

/** The second that a slot holds, and its bins. */
const SLOT_WORDS = 1 + BIN_COUNT
const COUNTER_BYTES = COUNTERS * 8
const SLOTS_LENGTH = MEASURED.length * SLOTS * SLOT_WORDS
/** Bins of all kinds of requests, one kind behind the other. */
export const KIND_BIN_COUNT = REQUEST_KINDS.length * BIN_COUNT
const BYTES = COUNTER_BYTES + (SLOTS_LENGTH + KIND_BIN_COUNT) * 4

const KIND_STARTS = new Map<RequestKind, number>(REQUEST_KINDS.map((kind, at) => [kind, at * BIN_COUNT]))

const DATABASE_READS = INDEXES.get('couchdb.database_reads')!

const STATUS_INDEXES = new Int32Array(600).fill(-1)
const METHOD_INDEXES = new Map<string, number>()
for (const name of METRIC_NAMES) {
  const [, group, member] = METRICS.get(name)!.path
  if (group === 'httpd_status_codes') STATUS_INDEXES[Number(member)] = INDEXES.get(name)!
  if (group === 'httpd_request_methods') METHOD_INDEXES.set(member!, INDEXES.get(name)!)
}

/** Figures that rise and fall: what a thread that has ended had of them has gone with it. */
const LEVELS = new Set<MetricName>(['couchdb.httpd.clients_requesting_changes'])

export class Metrics {
  /** To be handed to another thread. */
  readonly buffer: SharedArrayBuffer
  readonly #counters: Float64Array
  readonly #slots: Uint32Array
  readonly #kinds: Uint32Array
  /** Of the thread that counts; others have to ask for them. */
  readonly slowRequests = new SlowRequests()

  constructor(buffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer
    this.#counters = new Float64Array(buffer, 0, COUNTERS)
    this.#slots = new Uint32Array(buffer, COUNTER_BYTES, SLOTS_LENGTH)
    this.#kinds = new Uint32Array(buffer, COUNTER_BYTES + SLOTS_LENGTH * 4, KIND_BIN_COUNT)
  }

  count(name: MetricName, by = 1): void {
    const index = INDEXES.get(name)!
    this.#counters[index] = this.#counters[index]! + by
  }

  /** As `count('couchdb.database_reads')`, for what each row of a listing does. */
  countDatabaseRead(): void {
    this.#counters[DATABASE_READS]! += 1
  }

  /** Of what is counted elsewhere, in this thread. */
  set(name: MetricName, value: number): void {
    this.#counters[INDEXES.get(name)!] = value
  }

  /** Of codes that CouchDB counts. */
  countStatus(status: number): void {
    const index = STATUS_INDEXES[status] ?? -1
    if (index >= 0) this.#counters[index] = this.#counters[index]! + 1
  }

  /** Of methods that CouchDB counts. */
  countMethod(method: string): void {
    const index = METHOD_INDEXES.get(method)
    if (index !== undefined) this.#counters[index] = this.#counters[index]! + 1
  }

  /** `nowMs` is the time of day. */
  observe(name: HistogramName, value: number, nowMs: number): void {
    const index = INDEXES.get(name)!
    const counters = this.#counters
    counters[index] = counters[index]! + 1
    counters[index + 1] = counters[index + 1]! + value
    const at = this.#slot(name, nowMs) + 1 + binOf(value)
    this.#slots[at] = this.#slots[at]! + 1
  }

  /** A request of the kind has taken so many milliseconds. */
  observeRequest(kind: RequestKind, durationMs: number): void {
    const at = KIND_STARTS.get(kind)! + binOf(durationMs)
    this.#kinds[at] = this.#kinds[at]! + 1
  }

  /** Adds all times of requests, by kind and bin, to `bins`, which has `KIND_BIN_COUNT`. */
  addKindBins(bins: Float64Array): void {
    for (let at = 0; at < KIND_BIN_COUNT; at++) bins[at] = bins[at]! + this.#kinds[at]!
  }

  /** Where the slot of the second begins, emptied if it was another's. */
  #slot(name: MetricName, nowMs: number): number {
    const second = Math.floor(nowMs / 1000)
    const start = (HISTOGRAMS.get(name)! * SLOTS + (second % SLOTS)) * SLOT_WORDS
    if (this.#slots[start] !== second) {
      this.#slots.fill(0, start, start + SLOT_WORDS)
      this.#slots[start] = second
    }
    return start
  }

  /** A counter's value, or the number of values that a histogram has had. */
  value(name: MetricName): number {
    return this.#counters[INDEXES.get(name)!]!
  }

  /** The sum of the values that a histogram has had. */
  sum(name: MetricName): number {
    return this.#counters[INDEXES.get(name)! + 1]!
  }

  /** Adds the values that a histogram has had in the last `seconds` to `bins`. */
  addBins(name: MetricName, bins: Float64Array, nowMs: number, seconds: number): void {
    const histogram = HISTOGRAMS.get(name)
    if (histogram === undefined) return
    const last = Math.floor(nowMs / 1000)
    for (let second = last - seconds + 1; second <= last; second++) {
      const start = (histogram * SLOTS + (second % SLOTS)) * SLOT_WORDS
      if (this.#slots[start] !== second) continue
      for (let bin = 0; bin < BIN_COUNT; bin++) bins[bin] = bins[bin]! + this.#slots[start + 1 + bin]!
    }
  }

  /** Takes over what a thread that has ended has counted. */
  absorb(ended: Metrics): void {
    for (const name of METRIC_NAMES) {
      if (LEVELS.has(name)) continue
      const index = INDEXES.get(name)!
      this.#counters[index] = this.#counters[index]! + ended.value(name)
      if (METRICS.get(name)!.kind === 'histogram') {
        this.#counters[index + 1] = this.#counters[index + 1]! + ended.sum(name)
      }
    }
    for (let at = 0; at < KIND_BIN_COUNT; at++) this.#kinds[at] = this.#kinds[at]! + ended.#kinds[at]!
    for (let start = 0; start < ended.#slots.length; start += SLOT_WORDS) {
      const second = ended.#slots[start]!
      if (second < this.#slots[start]!) continue
      if (second > this.#slots[start]!) this.#slots.fill(0, start, start + SLOT_WORDS)
      this.#slots[start] = second
      for (let at = start + 1; at < start + SLOT_WORDS; at++) {
        this.#slots[at] = this.#slots[at]! + ended.#slots[at]!
      }
    }
  }
}

/** Takes what nobody asks for. */
export const UNASKED = new Metrics()
