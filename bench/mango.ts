/**
 * Mango on documents of 1 KB: an index built, `_find` of 20 documents on it and counts at many connections beside GET of one
 * document, and full scans; beside other servers that speak CouchDB's protocol.
 *
 * The load comes from another process, as that of `http`. CPU is that of the server's whole process (Linux only, and not of
 * peers). Indexes are not built unasked: a build is measured from its request to the first answer. While full scans
 * run one connection asks for documents, and what it waits for is shown too.
 */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { autocannonLoad, findWrk, type LoadTool, wrkLoad } from './http/load.ts'
import { ask, peerTarget, startOurs, type Target } from './http/target.ts'
import type { Load } from './http/workload.ts'
import { describeMachine, machineOf } from './machine.ts'
import { processCpuUs } from './process-cpu.ts'
import { Progress } from './progress.ts'
import { median } from './statistics.ts'
import { alignedTable } from './text-table.ts'
import { type Benchmark, percentile, stopwatch, withFolder } from './tools.ts'

const BATCH = 1000
const KINDS = 100
const WARM_UP_SECONDS = 3
const WORDS = 'the quick brown fox jumps over the lazy dog '

interface Figure {
  /** In a second: documents, or requests. */
  readonly rate: number
  /** Of one document, or one request; NaN where it is not known. */
  readonly cpuUs: number
}

interface Measurement {
  readonly name: string
  take(): Promise<Figure>
}

interface Settings {
  readonly documents: number
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly load: LoadTool
}

export const mango: Benchmark = {
  summary: 'Mango: index builds, _find on an index beside GET, counts, full scans, figures by groups',
  flags:
    '[--documents 100000] [--rounds 3] [--seconds 5] [--connections 64] [--threads N] [--peer NAME=http://user:pass@host:port ...] [--only TEXT] [--profile] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '100000' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '64' },
        threads: { type: 'string' },
        peer: { type: 'string', multiple: true, default: [] },
        only: { type: 'string', default: '' },
        profile: { type: 'boolean', default: false },
        folder: { type: 'string' },
      },
    })
    const wrk = findWrk()
    const settings: Settings = {
      documents: Number(values.documents),
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      connections: Number(values.connections),
      load: wrk === undefined ? autocannonLoad : wrkLoad(wrk),
    }
    print(describeMachine(machineOf(values.folder ?? tmpdir())))
    await withFolder(values.folder, async (dataDir) => {
      const unasked = { DAVENPORT_INDEXERS__COUCH_MRVIEW: 'false' }
      const folder = values.profile ? process.cwd() : undefined
      const ours = await startOurs(dataDir, values.threads, folder, unasked)
      try {
        for (const target of [ours, ...values.peer.map(peerTarget)]) {
          for (const line of await measured(target, settings, values.only)) print(line)
        }
      } finally {
        await ours.stop()
      }
    })
  },
}

async function measured(target: Target, settings: Settings, only: string): Promise<string[]> {
  const database = `bench-${randomBytes(4).toString('hex')}`
  const progress = new Progress(1)
  try {
    progress.begin(`${target.name}: documents`)
    await ask(target, 'PUT', `/${database}`)
    for (let at = 0; at < settings.documents; at += BATCH) {
      const docs = Array.from({ length: Math.min(BATCH, settings.documents - at) }, (_, i) =>
        documentOf(at + i),
      )
      await ask(target, 'POST', `/${database}/_bulk_docs`, JSON.stringify({ docs }))
      progress.within(at / settings.documents)
    }
    const waits: number[] = []
    const chosen = measurements(target, database, settings, waits).filter(({ name }) => name.includes(only))
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

function documentOf(number: number): Record<string, unknown> {
  const document = {
    _id: String(number),
    kind: `kind ${number % KINDS}`,
    // Scattered, so that rows are not written in the order of the documents.
    n: Math.imul(number, 0x9e3779b1) >>> 0,
    number,
    title: `The title of document ${number}`,
    tags: ['one', 'two', 'three'],
    address: { street: `Street ${number}`, city: 'Cologne', code: 50667 },
    price: (number % 1000) / 4,
    note: '',
  }
  const missing = 1024 - JSON.stringify(document).length
  return { ...document, note: WORDS.repeat(missing).slice(0, missing) }
}

function measurements(
  target: Target,
  database: string,
  { documents, seconds, connections, load }: Settings,
  waits: number[],
): Measurement[] {
  const cpuUs = (): number => (target.pid === undefined ? Number.NaN : processCpuUs(target.pid))
  const find = (query: object): Promise<string> =>
    ask(target, 'POST', `/${database}/_find`, JSON.stringify(query))
  let built = 0

  /** `query` looks at all documents. */
  const once = async (query: object): Promise<Figure> => {
    const before = cpuUs()
    const elapsed = stopwatch()
    await find(query)
    return { rate: documents / elapsed(), cpuUs: (cpuUs() - before) / documents }
  }
  const build = (name: string, fields: string[], filter?: object): Measurement => ({
    name,
    async take() {
      built += 1
      const ddoc = `built${built}`
      const index = { fields, ...(filter && { partial_filter_selector: filter }) }
      await ask(target, 'POST', `/${database}/_index`, JSON.stringify({ index, ddoc, name: ddoc }))
      const selector = Object.fromEntries(fields.map((field) => [field, { $exists: true }]))
      const figure = await once({ selector, use_index: ddoc, limit: 1 })
      await ask(target, 'DELETE', `/${database}/_index/${ddoc}/json/${ddoc}`)
      await ask(target, 'POST', `/${database}/_view_cleanup`, '{}')
      return figure
    },
  })
  const many = (name: string, method: string, path: string, query?: object): Measurement => ({
    name: `${name}, ${connections} connections`,
    async take() {
      const headers: Record<string, string> = { 'content-type': 'application/json' }
      if (target.authorization !== undefined) headers['authorization'] = target.authorization
      const body = query && JSON.stringify(query).replace('"{n}"', '{n}')
      const numbers = { kind: 'cycle', count: Math.min(documents, 10_000) } as const
      const asked: Load = { method, path: `/${database}/${path}`, body, headers, connections, numbers }
      await load(target.origin, asked, WARM_UP_SECONDS)
      const before = cpuUs()
      const taken = await load(target.origin, asked, seconds)
      if (taken.errors > 0) throw new Error(`${target.name}: ${taken.errors} errors at ${name}`)
      return { rate: taken.requests / taken.seconds, cpuUs: (cpuUs() - before) / taken.requests }
    },
  })
  const indexed: Measurement = {
    name: 'index that the rest is asked of',
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
      return once({ selector: { number: { $gte: 0 } }, limit: 1 })
    },
  }
  const scan = (name: string, query: object): Measurement => ({
    name,
    take: () => once({ limit: 10, ...query }),
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
        const scanned = once({ selector: { price: { $gt: 1e6 } } })
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
