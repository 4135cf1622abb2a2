/**
 * Mango on documents of 1 KB: an index built, `_find` of 20 documents on it and counts at many connections beside GET of one
 * document, and full scans; beside other servers that speak CouchDB's protocol.
 *
 * The load comes from another process, as that of `http`. CPU is that of the server's whole process (Linux only, and not of
 * peers). Indexes are not built unasked: a build is measured from its request to the first answer. While full scans
 * run one connection asks for documents, and what it waits for is shown too.
 */
import { randomBytes } from 'node:crypto'
import { Progress } from '../src/lab/measure/progress.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { ask, type Target } from './http/target.ts'
import {
  BATCH,
  benchmarkOnTargets,
  documentOf,
  type Figure,
  loaded,
  type Measurement,
  once,
  type Settings,
} from './on-targets.ts'
import { percentile, stopwatch } from './tools.ts'

const INDEXED = 'index that the rest is asked of'

export const mango = benchmarkOnTargets(
  'Mango: index builds, _find on an index beside GET, counts, full scans, figures by groups',
  measured,
)

async function measured(target: Target, settings: Settings): Promise<string[]> {
  const database = `bench-${randomBytes(4).toString('hex')}`
  const progress = new Progress(1)
  try {
    progress.begin(`${target.name}: documents`)
    await ask(target, 'PUT', `/${database}`)
    for (let at = 0; at < settings.documents; at += BATCH) {
      const docs = Array.from({ length: Math.min(BATCH, settings.documents - at) }, (_, i) =>
        documentOf(at + i, scattered(at + i)),
      )
      await ask(target, 'POST', `/${database}/_bulk_docs`, JSON.stringify({ docs }))
      progress.within(at / settings.documents)
    }
    const waits: number[] = []
    const all = measurements(target, database, settings, waits)
    const chosen = all.filter(({ name }) => name.includes(settings.only))
    // Without its indexes a query says nothing of what it is to measure.
    if (!chosen.some(({ name }) => name === INDEXED)) {
      progress.begin(`${target.name}: ${INDEXED}`)
      await all.find(({ name }) => name === INDEXED)!.take()
    }
    const rows: string[][] = []
    for (const { name, take } of chosen) {
      progress.begin(`${target.name}: ${name}`)
      const figures: Figure[] = []
      try {
        for (let round = 0; round < settings.rounds; round++) figures.push(await take())
      } catch (error) {
        // Others have neither counts nor figures.
        if (target.pid !== undefined) throw error
        rows.push([name, '-', '-'])
        continue
      }
      const rate = median(figures.map((each) => each.rate))
      const cpuUs = median(figures.map((each) => each.cpuUs))
      rows.push([name, rate.toFixed(rate < 100 ? 1 : 0), Number.isNaN(cpuUs) ? '-' : cpuUs.toFixed(1)])
    }
    progress.close()
    const head = [`${target.name}, ${settings.documents} documents`, 'in a second', 'CPU us each']
    const lines = alignedTable([head, ...rows])
    if (waits.length > 0) {
      const [p50, p99] = [0.5, 0.99].map((share) => percentile(waits, share).toFixed(1))
      lines.push(`GET beside a full scan: p50 ${p50} ms, p99 ${p99} ms`)
    }
    return lines
  } finally {
    await ask(target, 'DELETE', `/${database}`).catch(() => undefined)
  }
}

/** So that rows are not written in the order of the documents. */
function scattered(number: number): { n: number } {
  return { n: Math.imul(number, 0x9e3779b1) >>> 0 }
}

function measurements(target: Target, database: string, settings: Settings, waits: number[]): Measurement[] {
  const { documents, connections } = settings
  const find = (query: object): Promise<string> =>
    ask(target, 'POST', `/${database}/_find`, JSON.stringify(query))
  let built = 0

  /** `query` looks at all documents. */
  const ofAll = (query: object): Promise<Figure> => once(target, documents, () => find(query))
  const build = (name: string, fields: string[], filter?: object): Measurement => ({
    name,
    async take() {
      built += 1
      const ddoc = `built${built}`
      const index = { fields, ...(filter && { partial_filter_selector: filter }) }
      await ask(target, 'POST', `/${database}/_index`, JSON.stringify({ index, ddoc, name: ddoc }))
      const selector = Object.fromEntries(fields.map((field) => [field, { $exists: true }]))
      const figure = await ofAll({ selector, use_index: ddoc, limit: 1 })
      await ask(target, 'DELETE', `/${database}/_index/${ddoc}/json/${ddoc}`)
      await ask(target, 'POST', `/${database}/_view_cleanup`, '{}')
      return figure
    },
  })
  const many = (name: string, method: string, path: string, query?: object): Measurement => ({
    name: `${name}, ${connections} connections`,
    take: () =>
      loaded(target, settings, {
        method,
        path: `/${database}/${path}`,
        body: query && JSON.stringify(query).replace('"{n}"', '{n}'),
        headers: { 'content-type': 'application/json' },
      }),
  })
  const indexed: Measurement = {
    name: INDEXED,
    async take() {
      for (const [ddoc, fields] of [
        ['n', ['number']],
        ['k', ['kind', 'number']],
      ] as const) {
        await ask(
          target,
          'POST',
          `/${database}/_index`,
          JSON.stringify({ index: { fields }, ddoc, name: ddoc }),
        )
      }
      await find({ selector: { kind: 'kind 1', number: { $gte: 0 } }, limit: 1 })
      return ofAll({ selector: { number: { $gte: 0 } }, limit: 1 })
    },
  }
  const scan = (name: string, query: object): Measurement => ({
    name,
    take: () => ofAll({ limit: 10, ...query }),
  })
  const group = { $group: ['kind'], count: { $count: true }, sum: { $sum: 'price' } }
  return [
    build('documents indexed by one field', ['n']),
    build('documents indexed by three fields', ['n', 'kind', 'address.city']),
    build('documents indexed, with a filter', ['n'], { price: { $gt: 100 }, kind: { $exists: true } }),
    indexed,
    many('GET', 'GET', '{n}'),
    many('_find of 20 on an index', 'POST', '_find', { selector: { number: { $gte: '{n}' } }, limit: 20 }),
    many('_find of 20 in a kind', 'POST', '_find', {
      selector: { kind: 'kind 7', number: { $gte: '{n}' } },
      limit: 20,
    }),
    many('_find of 20, covered', 'POST', '_find', {
      selector: { number: { $gte: '{n}' } },
      fields: ['_id', 'number'],
      limit: 20,
    }),
    many('count on an index', 'POST', '_find', {
      selector: { kind: 'kind 7', number: { $gte: '{n}' } },
      count: true,
    }),
    scan('documents scanned, none found', { selector: { price: { $gt: 1e6 } } }),
    scan('documents scanned, two conditions', {
      selector: { 'address.city': 'Ulm', title: { $beginsWith: 'Z' } },
    }),
    scan('documents scanned, a pattern', { selector: { note: { $regex: 'cats? and' } } }),
    scan('documents counted by a scan', { selector: { price: { $gt: 100 } }, count: true }),
    scan('documents in figures by groups', { selector: {}, aggregate: group }),
    {
      name: 'documents scanned beside GETs',
      async take() {
        const scanned = ofAll({ selector: { price: { $gt: 1e6 } } })
        let isDone = false
        scanned.finally(() => (isDone = true)).catch(() => undefined)
        while (!isDone) {
          const elapsed = stopwatch()
          await ask(target, 'GET', `/${database}/${waits.length % documents}`)
          waits.push(elapsed() * 1000)
        }
        return scanned
      },
    },
  ]
}
