/**
 * Replications: documents of 1 KB, and documents with an attachment of 10 KB, from one database of a server to another one, and over
 * HTTP between two processes, beside `_bulk_docs` with the same documents in the same run; and how long catching up some changes takes
 * behind very many documents that are there already; and what replications cost that have nothing to do.
 *
 * Wanted: at least half as many documents in a second locally as by `_bulk_docs`, three tenths over HTTP, in CPU time of all
 * processes that take part, since both share the machine; catching up within a second. What is idle: idle-replications.ts.
 */
import { parseArgs } from 'node:util'
import { mainThreadCpuUs, processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { call } from '../test/support/replicated.ts'
import { ADMIN, type ServerProcess, startServerProcess } from '../test/support/server-process.ts'
import { idleReplications, TELLING_MEMORY } from './idle-replications.ts'
import { type Benchmark, stopwatch, withFolder } from './tools.ts'

const BATCH = 500
const TEXT = 'x'.repeat(960)
const ATTACHED_BYTES = 10_240

interface Site {
  process: ServerProcess
  url: string
}

export const replicate: Benchmark = {
  summary: 'replications beside _bulk_docs: documents and attachments, local and over HTTP; catching up',
  flags:
    '[--documents 20000] [--attached 5000] [--behind 1000000] [--idle 100] [--threads 0] [--folder PATH]; 0 leaves a part out',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '20000' },
        attached: { type: 'string', default: '5000' },
        behind: { type: 'string', default: '1000000' },
        idle: { type: 'string', default: '100' },
        threads: { type: 'string', default: '0' },
        folder: { type: 'string' },
      },
    })
    await withFolder(values.folder, async (folder) => {
      const environment = { DAVENPORT_DAVENPORT__THREADS: values.threads }
      const sites = await Promise.all(
        ['here', 'there'].map(async (name): Promise<Site> => {
          const process = startServerProcess({
            dataDir: `${folder}/${name}`,
            environment,
            nodeFlags: TELLING_MEMORY,
          })
          return { process, url: `http://${ADMIN}@127.0.0.1:${await process.port}` }
        }),
      )
      const [here, there] = sites as [Site, Site]
      try {
        const [documents, attachments, behind, idle] = [
          values.documents,
          values.attached,
          values.behind,
          values.idle,
        ].map(Number) as [number, number, number, number]
        if (documents > 0) await compare('1 KB documents', here, there, documents, plain, print)
        if (attachments > 0) await compare('10 KB attachments', here, there, attachments, attached, print)
        if (behind > 0) await catchUp(here, there, behind, print)
        if (idle > 0) await idleReplications([here, there], idle, print)
      } finally {
        await Promise.all(sites.map(({ process }) => process.kill()))
      }
    })
  },
}

type Make = (at: number) => object

const plain: Make = (at) => ({ _id: idOf(at), at, text: TEXT })

const attached: Make = (at) => ({
  _id: idOf(at),
  at,
  _attachments: {
    a: {
      content_type: 'application/octet-stream',
      data: Buffer.alloc(ATTACHED_BYTES, `${at}`).toString('base64'),
    },
  },
})

function idOf(at: number): string {
  return `document-${String(at).padStart(8, '0')}`
}

async function fill({ url }: Site, database: string, count: number, make: Make): Promise<void> {
  await call(url, 'PUT', `/${database}`)
  for (let from = 0; from < count; from += BATCH) {
    const docs = Array.from({ length: Math.min(BATCH, count - from) }, (_, at) => make(from + at))
    const { status } = await call(url, 'POST', `/${database}/_bulk_docs`, { docs })
    if (status !== 201) throw new Error(`_bulk_docs: ${status}`)
  }
}

interface Measured {
  seconds: number
  /** CPU time of all servers, and the share of it that their main threads took, which is where others' writes wait. */
  cpuS: number
  mainShare: number
}

async function measured(sites: readonly Site[], run: () => Promise<void>): Promise<Measured> {
  const sum = (of: (pid: number) => number): number =>
    sites.reduce((total, { process }) => total + of(process.child.process.pid!), 0)
  const [before, mainBefore] = [sum(processCpuUs), sum(mainThreadCpuUs)]
  const watch = stopwatch()
  await run()
  const seconds = watch()
  const cpuUs = sum(processCpuUs) - before
  return { seconds, cpuS: cpuUs / 1e6, mainShare: (sum(mainThreadCpuUs) - mainBefore) / cpuUs }
}

async function compare(
  what: string,
  here: Site,
  there: Site,
  count: number,
  make: Make,
  print: (line: string) => void,
): Promise<void> {
  const name = what.startsWith('1') && make === plain ? 'plain' : 'attached'
  const sites = [here, there]
  const bulk = await measured(sites, () => fill(here, name, count, make))
  const tell = (kind: string, { seconds, cpuS, mainShare }: Measured): void => {
    const share = `${(bulk.seconds / seconds).toFixed(2)}x the rate, ${(bulk.cpuS / cpuS).toFixed(2)}x per CPU second`
    const main = `${Math.round(mainShare * 100)} % in the main threads`
    print(
      `${what}, ${kind}: ${Math.round(count / seconds)} a second, ${Math.round(count / cpuS)} a CPU second: ${share}; ${main}`,
    )
  }
  tell('_bulk_docs', bulk)
  tell('local', await measured(sites, () => replicated(here, name, `${name}-copy`, count)))
  tell('push', await measured(sites, () => replicated(here, name, `${there.url}/${name}`, count)))
  tell('pull', await measured(sites, () => replicated(here, `${there.url}/${name}`, `${name}-back`, count)))
}

async function replicated({ url }: Site, source: string, target: string, count: number): Promise<void> {
  const { body } = await call(url, 'POST', '/_replicate', { source, target, create_target: true })
  const [entry] = body['history'] as Record<string, number>[]
  if (entry?.['docs_written'] !== count) throw new Error(`written: ${JSON.stringify(body)}`)
}

/** Of a target that is a database of the server, and one that is another server's. */
async function catchUp(
  here: Site,
  there: Site,
  behind: number,
  print: (line: string) => void,
): Promise<void> {
  await fill(here, 'large', behind, (at) => ({ _id: idOf(at) }))
  let more = 0
  for (const [kind, target] of [
    ['local', 'large-copy'],
    ['push', `${there.url}/large`],
  ] as const) {
    await replicated(here, 'large', target, behind + more)
    await call(here.url, 'POST', '/large/_bulk_docs', {
      docs: Array.from({ length: 100 }, (_, at) => ({ _id: `${kind}-${at}`, at })),
    })
    more += 100
    const { seconds, cpuS } = await measured([here, there], () =>
      replicated(here, 'large', target, behind + more),
    )
    print(
      `100 changes behind ${behind} documents, ${kind}: ${seconds.toFixed(3)} s, ${cpuS.toFixed(2)} s of CPU`,
    )
  }
}
