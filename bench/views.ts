/**
 * Views of documents of 1 KB: builds, updates, queries of 20 rows at many connections beside GET of one document, full scans,
 * groups, and what GET waits for while a view is built; beside other servers that speak CouchDB's protocol.
 *
 * The load comes from another process, as that of `http`. CPU is that of the server's whole process (Linux only, and not of
 * peers). Indexes are not built unasked: a build is measured from its request to the first answer. A view that is built
 * beside requests is built again and again, until they end; each such round follows one without builds, and what is shown of
 * the 99th percentile is the median of the rounds' ratios. `--profile` leaves the .cpuprofile of each thread in the working directory.
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
  KINDS,
  loaded,
  type Measurement,
  once,
  type Settings,
} from './on-targets.ts'

/** Documents that are changed before an update. */
const UPDATED = 10_000
/** Of GET beside builds: one ratio of two tails says little. */
const LEAST_PAIRS = 5

const SIMPLE = 'function (doc) { emit([doc.kind, doc.number], doc.price) }'
const HEAVY = `function (doc) {
  var counts = {}
  doc.note.split(' ').forEach(function (word) { counts[word] = (counts[word] || 0) + 1 })
  for (var word in counts) emit([word, doc.kind], counts[word])
}`
const VIEWS = {
  simple: { count: { map: SIMPLE, reduce: '_count' }, stats: { map: SIMPLE, reduce: '_stats' } },
  heavy: { words: { map: HEAVY, reduce: '_sum' } },
}

export const views = benchmarkOnTargets(
  'views: builds, updates, queries beside GET, scans, groups, GET beside a build',
  measured,
)

async function measured(target: Target, settings: Settings): Promise<string[]> {
  const database = `bench-${randomBytes(4).toString('hex')}`
  const progress = new Progress(1)
  try {
    progress.begin(`${target.name}: documents`)
    await ask(target, 'PUT', `/${database}`)
    await write(target, database, settings.documents, (at) => progress.within(at / settings.documents))
    const asked = new AskedViews(target, database, settings)
    await asked.put('asked', 'simple')
    const rows: string[][] = []
    for (const { name, take } of asked.measurements().filter((each) => each.name.includes(settings.only))) {
      progress.begin(`${target.name}: ${name}`)
      const figures: Figure[] = []
      while (figures.length < settings.rounds) figures.push(await take())
      const middle = (field: (figure: Figure) => number): number => median(figures.map(field))
      const [rate, cpuUs] = [middle((each) => each.rate), middle((each) => each.cpuUs)]
      const p99Ms = middle((each) => (each.p99Us ?? Number.NaN) / 1000)
      rows.push([
        name,
        rate.toFixed(rate < 100 ? 1 : 0),
        Number.isNaN(cpuUs) ? '-' : cpuUs.toFixed(1),
        Number.isNaN(p99Ms) ? '' : p99Ms.toFixed(1),
      ])
    }
    const name = `GET beside builds, ${settings.connections} connections`
    const beside: string[] = []
    if (name.includes(settings.only)) {
      progress.begin(`${target.name}: ${name}`)
      const pairs: BesideBuilds[] = []
      while (pairs.length < Math.max(LEAST_PAIRS, settings.rounds)) pairs.push(await asked.besideBuilds())
      beside.push(...besideTable(name, pairs))
    }
    progress.close()
    const measurements = alignedTable([
      [`${target.name}, ${settings.documents} documents`, 'in a second', 'CPU us each', 'p99 ms'],
      ...rows,
    ])
    return [...(rows.length > 0 ? measurements : []), ...beside]
  } finally {
    await ask(target, 'DELETE', `/${database}`).catch(() => undefined)
  }
}

/** One round of GET without builds, and one beside them. */
interface BesideBuilds {
  readonly without: Figure
  readonly beside: Figure
  /** Documents a second. */
  readonly built: number
}

function besideTable(name: string, pairs: readonly BesideBuilds[]): string[] {
  const row = (title: string, figure: (pair: BesideBuilds) => number, digits: number): string[] => {
    const figures = pairs.map(figure)
    const shown = [median(figures), Math.min(...figures), Math.max(...figures)]
    return [title, ...shown.map((each) => each.toFixed(digits))]
  }
  const p99Ms = ({ p99Us }: Figure): number => (p99Us ?? Number.NaN) / 1000
  return alignedTable([
    [`${name}, ${pairs.length} rounds`, 'median', 'least', 'most'],
    row('p99 ms without', ({ without }) => p99Ms(without), 1),
    row('p99 ms beside', ({ beside }) => p99Ms(beside), 1),
    row('p99, beside / without', ({ beside, without }) => p99Ms(beside) / p99Ms(without), 2),
    row('rate, beside / without', ({ beside, without }) => beside.rate / without.rate, 2),
    row('documents built in a second', ({ built }) => built, 0),
  ])
}

/** Documents from number 0 on; those that are there get another price. */
async function write(
  target: Target,
  database: string,
  count: number,
  onBatch: (at: number) => void = () => {},
): Promise<void> {
  for (let at = 0; at < count; at += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => String(at + i))
    const text = await ask(target, 'POST', `/${database}/_all_docs`, JSON.stringify({ keys: ids }))
    const { rows } = JSON.parse(text) as { rows: { value?: { rev: string } }[] }
    const docs = rows.map(({ value }, i) => ({
      ...documentOf(at + i),
      ...(value && { _rev: value.rev, price: Number.parseInt(value.rev, 10) }),
    }))
    await ask(target, 'POST', `/${database}/_bulk_docs`, JSON.stringify({ docs }))
    onBatch(at)
  }
}

class AskedViews {
  readonly #target: Target
  readonly #database: string
  readonly #settings: Settings
  #made = 0

  constructor(target: Target, database: string, settings: Settings) {
    this.#target = target
    this.#database = database
    this.#settings = settings
  }

  #ask(method: string, path: string, body?: object): Promise<string> {
    return ask(this.#target, method, `/${this.#database}/${path}`, body && JSON.stringify(body))
  }

  async put(name: string, kind: keyof typeof VIEWS): Promise<void> {
    // No two have one signature.
    const views = { ...VIEWS[kind], [name]: { map: `function (doc) { /* ${name} */ }` } }
    await this.#ask('PUT', `_design/${name}`, { views: name === 'asked' ? VIEWS[kind] : views })
  }

  #once(count: number, request: () => Promise<unknown>): Promise<Figure> {
    return once(this.#target, count, request)
  }

  async #build(kind: keyof typeof VIEWS): Promise<Figure> {
    this.#made += 1
    const name = `built${this.#made}`
    await this.put(name, kind)
    const [view] = Object.keys(VIEWS[kind])
    const { documents } = this.#settings
    const figure = await this.#once(documents, () => this.#ask('GET', `_design/${name}/_view/${view}`))
    const { _rev: rev } = JSON.parse(await this.#ask('GET', `_design/${name}`)) as { _rev: string }
    await this.#ask('DELETE', `_design/${name}?rev=${rev}`)
    await this.#ask('POST', '_view_cleanup', {})
    return figure
  }

  #load(path: string, warmsUp = true): Promise<Figure> {
    const asked = { method: 'GET', path: `/${this.#database}/${path}`, body: undefined, headers: {} }
    return loaded(this.#target, this.#settings, asked, warmsUp)
  }

  async besideBuilds(): Promise<BesideBuilds> {
    const without = await this.#load('{n}')
    const rates: number[] = []
    let isDone = false
    const building = async (): Promise<void> => {
      while (!isDone) rates.push((await this.#build('simple')).rate)
    }
    const built = building()
    let beside: Figure
    try {
      beside = await this.#load('{n}', false)
    } finally {
      isDone = true
      await built
    }
    // The last one ended when there were no requests any more.
    return { without, beside, built: median(rates.length > 1 ? rates.slice(0, -1) : rates) }
  }

  measurements(): Measurement[] {
    const { documents, connections } = this.#settings
    const kept = '_design/asked/_view'
    const updated = Math.min(UPDATED, documents)
    const many = (name: string, path: string): Measurement => ({
      name: `${name}, ${connections} connections`,
      take: () => this.#load(path),
    })
    const whole = (name: string, count: number, path: string): Measurement => ({
      name,
      take: () => this.#once(count, () => this.#ask('GET', path)),
    })
    return [
      { name: 'documents built: simple map, _count and _stats', take: () => this.#build('simple') },
      { name: 'documents built: heavy map, _sum', take: () => this.#build('heavy') },
      {
        name: `documents updated, of ${updated}`,
        take: async () => {
          await this.#ask('GET', `${kept}/count`)
          await write(this.#target, this.#database, updated)
          return this.#once(updated, () => this.#ask('GET', `${kept}/count`))
        },
      },
      many('GET', '{n}'),
      many('20 rows of a view', `${kept}/count?reduce=false&limit=20&start_key=["kind%207",{n}]`),
      many('one reduction', `${kept}/stats?start_key=["kind%207",{n}]`),
      many('20 groups', `${kept}/stats?group_level=1&limit=20`),
      whole('rows of a whole view', documents, `${kept}/count?reduce=false`),
      whole('groups of level 1', KINDS, `${kept}/stats?group_level=1`),
      whole('groups of level 2', documents, `${kept}/stats?group_level=2`),
    ]
  }
}
