/**
 * What a document, a row and a request cost, each beside the least that it could cost here, in turns: `_bulk_docs` beside
 * JSON.parse and JSON.stringify of the same text, and what is read beside a fastify that sends as many bytes from memory.
 * Documents are of 1 KB. Scans are asked by one connection of this process, `_bulk_docs` by as many as `--writers` says; it neither
 * makes a text nor reads an answer while the time runs. Pages are asked for by many from another process. CPU is that of the server's
 * whole process, and beside it that of its main thread, which is the core where there are fronts (Linux only).
 */
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { describeMachine, machineOf } from '../src/lab/measure/machine.ts'
import { mainThreadCpuUs, processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { Progress } from '../src/lab/measure/progress.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { chosenTool } from './http/load.ts'
import { ask, startConstant, startOurs, type Target } from './http/target.ts'
import { BATCH, documentOf, type Figure, loaded, type Settings } from './on-targets.ts'
import { type Benchmark, stopwatch, withFolder } from './tools.ts'

const PAGE_ROWS = 50
const SCANNED_DOCUMENTS = 10_000
const WARM_UP_SECONDS = 2
/** Requests that each of several writers sends one behind the other while the time runs: only the first and the last are alone. */
const REQUESTS_IN_A_ROW = 8

interface Taken extends Figure {
  /** Of `cpuUs`, that of the main thread. */
  readonly mainUs?: number
}

/** What is measured, and the least that it could cost. */
interface Comparison {
  readonly name: string
  readonly reference: string
  /** The rate that is wanted, as a multiple of the reference's. */
  readonly wanted: number
  take(): Promise<Taken>
  takeReference(): Promise<Figure>
}

export const documents: Benchmark = {
  summary: 'a document, a row and a page beside the least that they could cost',
  flags:
    '[--documents 60000] [--rounds 3] [--seconds 5] [--connections 64] [--threads 1] [--writers 1: connections that send _bulk_docs at once] [--only TEXT] [--profile] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '60000' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '64' },
        threads: { type: 'string', default: '1' },
        writers: { type: 'string', default: '1' },
        only: { type: 'string', default: '' },
        profile: { type: 'boolean', default: false },
        folder: { type: 'string' },
      },
    })
    const settings: DocumentsSettings = {
      writers: Number(values.writers),
      documents: Number(values.documents),
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      connections: Number(values.connections),
      load: chosenTool(false, false).load,
      only: values.only,
    }
    print(describeMachine(machineOf(values.folder ?? tmpdir())))
    await withFolder(values.folder, async (dataDir) => {
      const ours = await startOurs(dataDir, values.threads, values.profile ? process.cwd() : undefined)
      try {
        for (const line of await measured(ours, settings)) print(line)
      } finally {
        await ours.stop()
      }
    })
  },
}

interface DocumentsSettings extends Settings {
  readonly writers: number
}

async function measured(ours: Target, settings: DocumentsSettings): Promise<string[]> {
  const progress = new Progress(settings.rounds)
  progress.begin('documents')
  const readings = await prepared(ours, settings.documents)
  const memory = await startConstant(
    Object.fromEntries(
      readings.map(({ method, alias, bytes }): [string, number] => [`${method} ${alias}`, bytes]),
    ),
  )
  try {
    const all = [...(await writings(ours, settings)), ...comparisons(ours, memory, readings, settings)]
    const chosen = all.filter(({ name }) => name.includes(settings.only))
    const taken = chosen.map(() => ({ ours: [] as Taken[], reference: [] as Figure[] }))
    for (let round = 0; round < settings.rounds; round++) {
      for (const [at, comparison] of chosen.entries()) {
        progress.begin(comparison.name)
        taken[at]!.ours.push(await comparison.take())
        taken[at]!.reference.push(await comparison.takeReference())
        progress.within(at / chosen.length)
      }
      progress.end()
    }
    const rows = chosen.map(({ name, reference, wanted }, at) => {
      const rate = median(taken[at]!.ours.map((each) => each.rate))
      const base = median(taken[at]!.reference.map((each) => each.rate))
      const cpuUs = median(taken[at]!.ours.map((each) => each.cpuUs))
      const mainUs = median(taken[at]!.ours.map((each) => each.mainUs ?? Number.NaN))
      const numbers = [rate, base].map((each) => each.toFixed(0))
      return [
        name,
        numbers[0]!,
        cpuUs.toFixed(1),
        Number.isNaN(mainUs) ? '' : mainUs.toFixed(1),
        reference,
        numbers[1]!,
        (rate / base).toFixed(2),
        `${wanted}`,
      ]
    })
    const head = ['', 'in a second', 'CPU us each', 'main thread', 'beside', 'in a second', 'ratio', 'wanted']
    return alignedTable([head, ...rows])
  } finally {
    progress.close()
    await memory.stop()
  }
}

/** A connection that is kept, for requests one after another. */
class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #target: Target

  constructor(target: Target) {
    this.#target = target
  }

  /** The bytes of the answer, as they came. Rejects where it is no 2xx. */
  send(method: string, path: string, body?: Buffer): Promise<Buffer[]> {
    const { origin, authorization, name } = this.#target
    const headers: Record<string, string | number> = { 'content-type': 'application/json' }
    if (authorization !== undefined) headers['authorization'] = authorization
    if (body !== undefined) headers['content-length'] = body.length
    return new Promise((resolve, reject) => {
      const sent = request(`${origin}${path}`, { method, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode! < 300) resolve(chunks)
          else reject(new Error(`${name}: ${method} ${path}: ${response.statusCode}`))
        })
      })
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The server may have closed the connection while this process was busy with a reference.
        if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(this.send(method, path, body))
        else reject(error)
      })
      sent.end(body)
    })
  }
}

/** `again` and again for so long; it gives the seconds that count. `count`: the things that each does. */
async function repeated(
  { pid }: Target,
  seconds: number,
  count: number,
  again: () => Promise<number>,
): Promise<Taken> {
  const whole = stopwatch()
  for (let left = WARM_UP_SECONDS; left > 0; left -= whole()) await again()
  const cpu = (): number[] => (pid === undefined ? [] : [processCpuUs(pid), mainThreadCpuUs(pid)])
  const before = cpu()
  let timed = 0
  let times = 0
  while (timed < seconds) {
    timed += await again()
    times += 1
  }
  const each = cpu().map((us, at) => (us - before[at]!) / (times * count))
  const [cpuUs = Number.NaN, mainUs = Number.NaN] = each
  return { rate: (times * count) / timed, cpuUs, mainUs }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const elapsed = stopwatch()
  await run()
  return elapsed()
}

/** Texts that are sent in one go: those of each connection one behind the other, all connections at once. */
class Writers {
  readonly #connections: readonly Connection[]
  /** Of each connection. */
  readonly inARow: number

  constructor(target: Target, writers: number) {
    this.#connections = Array.from({ length: writers }, () => new Connection(target))
    this.inARow = writers === 1 ? 1 : REQUESTS_IN_A_ROW
  }

  /** Requests of one go. */
  get requests(): number {
    return this.#connections.length * this.inARow
  }

  /** Sends `requests` texts. Returns the answers in their order. */
  async send(path: string, texts: readonly Buffer[]): Promise<Buffer[][]> {
    const answers: Buffer[][] = new Array(texts.length)
    await Promise.all(
      this.#connections.map(async (connection, number) => {
        for (let at = number * this.inARow; at < (number + 1) * this.inARow; at++)
          answers[at] = await connection.send('POST', path, texts[at])
      }),
    )
    return answers
  }
}

/** New documents by ids that rise and by ids in no order, and updates. */
async function writings(ours: Target, { seconds, writers: count }: DocumentsSettings): Promise<Comparison[]> {
  const name = `bench-${randomBytes(4).toString('hex')}`
  const writers = new Writers(ours, count)
  for (const kind of ['rising', 'random', 'updates']) await ask(ours, 'PUT', `/${name}-${kind}`)
  let number = 0
  const random = (): string => randomBytes(16).toString('hex')
  const textOf = (document: (at: number) => object): Buffer =>
    Buffer.from(JSON.stringify({ docs: Array.from({ length: BATCH }, (_, at) => document(at)) }))
  const textsOf = (document: (at: number, request: number) => object): Buffer[] =>
    Array.from({ length: writers.requests }, (_, request) => textOf((at) => document(at, request)))
  // From bytes, as they come from a socket, and none twice: V8 remembers what it made of a text.
  const parsed = async (): Promise<Figure> => {
    let seconds = 0
    let count = 0
    while (seconds < 1) {
      number += BATCH
      const body = textOf((at) => ({ ...documentOf(number + at), _id: random() }))
      seconds += await timed(async () => JSON.stringify(JSON.parse(body.toString())))
      count += BATCH
    }
    return { rate: count / seconds, cpuUs: Number.NaN }
  }
  const again = (go: () => Promise<number>) => (): Promise<Taken> =>
    repeated(ours, seconds, writers.requests * BATCH, go)
  const fresh = (kind: string, idOf: () => string) =>
    again(() => {
      const texts = textsOf(() => ({ ...documentOf(number), _id: idOf() }))
      return timed(() => writers.send(`/${name}-${kind}/_bulk_docs`, texts))
    })
  const rising = (): string => String(++number).padStart(12, '0')
  // Each request has documents of its own, so that none waits for the revisions of another one's answer.
  let revs: string[][] = []
  const update = async (): Promise<number> => {
    number += 1
    const texts = textsOf((at, request) => ({
      ...documentOf(at),
      _id: String(request * BATCH + at),
      _rev: revs[request]?.[at],
      edit: number,
    }))
    let answers: Buffer[][] = []
    const seconds = await timed(async () => {
      answers = await writers.send(`/${name}-updates/_bulk_docs`, texts)
    })
    revs = answers.map((answer) =>
      (JSON.parse(Buffer.concat(answer).toString()) as { rev?: string }[]).map(({ rev }) => {
        if (rev === undefined) throw new Error('an update was refused')
        return rev
      }),
    )
    return seconds
  }
  const reference = 'JSON.parse and stringify'
  const by = count === 1 ? '' : `, ${count} writers`
  const one = (what: string, wanted: number, take: () => Promise<Taken>): Comparison => ({
    name: `_bulk_docs of ${BATCH}, ${what}${by}`,
    reference,
    wanted,
    take,
    takeReference: parsed,
  })
  return [
    one('new, rising ids', 0.65, fresh('rising', rising)),
    one('new, random ids', 0.55, fresh('random', random)),
    one('updates', 0.4, again(update)),
  ]
}

/** A question whose answer is compared with as many bytes from memory. */
interface Reading {
  readonly name: string
  readonly method: string
  readonly path: string
  /** Of the answer from memory, below its database. */
  readonly alias: string
  readonly body: Buffer | undefined
  /** Of the answer. */
  readonly bytes: number
  /** Documents, rows or pages. */
  readonly count: number
  readonly wanted: number
  readonly isPage: boolean
}

async function prepared(ours: Target, count: number): Promise<Reading[]> {
  const name = `bench-${randomBytes(4).toString('hex')}`
  const connection = new Connection(ours)
  await ask(ours, 'PUT', `/${name}`)
  for (let at = 0; at < count; at += BATCH) {
    const docs = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => documentOf(at + i))
    await ask(ours, 'POST', `/${name}/_bulk_docs`, JSON.stringify({ docs }))
  }
  const scanned = Math.min(count, SCANNED_DOCUMENTS)
  const ids = Array.from({ length: Math.min(BATCH, count) }, (_, at) => ({ id: String((at * 7919) % count) }))
  const wanted = [
    {
      name: '_all_docs, documents',
      path: `_all_docs?include_docs=true&limit=${scanned}`,
      count: scanned,
      wanted: 0.5,
    },
    { name: '_changes, rows', path: '_changes', count, wanted: 0.4 },
    { name: '_bulk_get of 1,000', path: '_bulk_get', count: ids.length, wanted: 0.5, docs: ids },
    {
      name: `_all_docs, pages of ${PAGE_ROWS} rows`,
      path: `_all_docs?limit=${PAGE_ROWS}&start_key=%22{n}%22`,
      count: 1,
      wanted: 0.6,
    },
  ]
  return Promise.all(
    wanted.map(async ({ docs, path, ...rest }, at): Promise<Reading> => {
      const method = docs === undefined ? 'GET' : 'POST'
      const body = docs && Buffer.from(JSON.stringify({ docs }))
      const chunks = await connection.send(method, `/${name}/${path.replace('{n}', '1')}`, body)
      const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
      return {
        ...rest,
        method,
        body,
        bytes,
        path: `/${name}/${path}`,
        alias: `answer-${at}`,
        isPage: path.includes('{n}'),
      }
    }),
  )
}

function comparisons(
  ours: Target,
  memory: Target,
  readings: readonly Reading[],
  settings: Settings,
): Comparison[] {
  const [here, there] = [new Connection(ours), new Connection(memory)]
  return readings.map(({ method, path, alias, body, count, wanted, isPage, name }): Comparison => {
    const asked = (target: Target, connection: Connection, path: string) => async (): Promise<Figure> =>
      isPage
        ? loaded(target, settings, { method, path, body: undefined, headers: {} })
        : repeated(target, settings.seconds, count, () => timed(() => connection.send(method, path, body)))
    return {
      name: isPage ? `${name}, ${settings.connections} connections` : name,
      reference: 'as many bytes from memory',
      wanted,
      take: asked(ours, here, path),
      takeReference: asked(memory, there, `/db/${alias}`),
    }
  })
}
