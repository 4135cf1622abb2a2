/**
 * What packing bodies costs and spares: for each setting of `[couchdb] file_compression` a server of its own, whose CPU time a
 * document is what counts (the median of the rounds, settings in turn), and the length of the file before and after a compaction.
 * `none, snappy` writes bodies as they are and packs them by the compaction alone. With `--peer` a CouchDB is asked for its file, too.
 *
 * Two kinds of documents of 1 KB: `order`, those of the benchmark `http`, most of which is one sentence over and over; and
 * `words`, whose members have the same names in all and whose text is words drawn from 400.
 */
import { parseArgs } from 'node:util'
import { processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { HttpClient } from '../test/support/http-client.ts'
import { Random } from '../test/support/random.ts'
import { startServerProcess } from '../test/support/server-process.ts'
import { DOCUMENT } from './http/workload.ts'
import { type Benchmark, stopwatch, withFolder } from './tools.ts'

const BATCH = 1000
const READS = 4000
const BODY_BYTES = 960
const SETTINGS = ['none', 'none, snappy', 'snappy', 'deflate_1', 'deflate_6']
const COLUMNS = ['bulk', 'put', 'get', 'all_docs', 'changes', 'compact', 'written', 'compacted'] as const
const KINDS: Record<string, (n: number, random: Random) => object> = {
  order: (n) => ({ ...DOCUMENT, n }),
  words: (n, random) => wordsDocument(n, random),
}

/** Microseconds of CPU a document, and bytes a document of the file before and after the compaction. */
type Figures = Record<(typeof COLUMNS)[number], number>

export const compression: Benchmark = {
  summary: 'packed bodies: CPU of writes, reads and compactions, and the length of the file, by setting',
  flags:
    '[--documents 20000] [--rounds 3] [--settings LIST] [--kinds order,words] [--peer URL] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '20000' },
        rounds: { type: 'string', default: '3' },
        settings: { type: 'string', default: SETTINGS.join(';') },
        kinds: { type: 'string', default: Object.keys(KINDS).join(',') },
        peer: { type: 'string' },
        folder: { type: 'string' },
      },
    })
    const documents = Number(values.documents)
    const settings = values.settings.split(';')
    for (const kind of values.kinds.split(',')) {
      const make = KINDS[kind]
      if (make === undefined) throw new RangeError(`--kinds: ${Object.keys(KINDS).join(', ')}`)
      const batches = batchesOf(make, documents)
      const rounds = new Map<string, Figures[]>(settings.map((setting) => [setting, []]))
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [setting, all] of rounds) {
          await withFolder(values.folder, async (dataDir) => {
            all.push(await measured(setting, dataDir, batches, documents))
          })
        }
      }
      const rows = [...rounds].map(([setting, all]) => [
        setting,
        ...COLUMNS.map((column) => median(all.map((figures) => figures[column])).toFixed(1)),
      ])
      print(`${documents} documents, ${kind}: µs of CPU a document, bytes of the file a document`)
      for (const line of alignedTable([['written, compacted', ...COLUMNS], ...rows])) print(line)
      if (values.peer !== undefined) print(await peerFile(values.peer, batches, documents))
    }
  },
}

function wordsDocument(n: number, random: Random): object {
  const word = (): string =>
    (Math.imul(1 + random.int(400), 0x9e3779b1) >>> 0).toString(36).slice(0, 3 + (n % 5))
  const document = {
    type: 'note',
    number: n,
    author: { name: word(), active: random.bool() },
    tags: [word(), word()],
  }
  let text = word()
  const missing = BODY_BYTES - JSON.stringify(document).length
  while (text.length < missing) text += ` ${word()}`
  return { ...document, text }
}

/** Texts of `_bulk_docs`, with ids as a client's uuids are: in no order. */
function batchesOf(make: (n: number, random: Random) => object, documents: number): string[] {
  const random = new Random(1)
  const batches: string[] = []
  for (let from = 0; from < documents; from += BATCH) {
    const docs = Array.from({ length: Math.min(BATCH, documents - from) }, (_, i) => ({
      _id: idOf(from + i),
      ...make(from + i, random),
    }))
    batches.push(JSON.stringify({ docs }))
  }
  return batches
}

function idOf(n: number): string {
  return (Math.imul(n, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(4)
}

async function measured(
  setting: string,
  dataDir: string,
  batches: readonly string[],
  documents: number,
): Promise<Figures> {
  const [written, compacted = written] = setting.split(', ')
  const environment = { DAVENPORT_DAVENPORT__THREADS: '1' }
  const server = startServerProcess({ dataDir, environment })
  try {
    const client = new HttpClient(await server.port)
    const choose = (value: string): Promise<unknown> =>
      client.json('PUT', '/_node/_local/_config/couchdb/file_compression', JSON.stringify(value))
    await choose(written!)
    const cpuOf = async (work: () => Promise<unknown>, times: number): Promise<number> => {
      const before = processCpuUs(server.child.process.pid!)
      await work()
      return (processCpuUs(server.child.process.pid!) - before) / times
    }
    const file = async (): Promise<number> =>
      (await client.json<{ sizes: { file: number } }>('GET', '/bench')).sizes.file / documents
    const fill = async (name: string): Promise<void> => {
      await client.send('PUT', `/${name}`)
      for (const batch of batches) await client.bytes('POST', `/${name}/_bulk_docs`, batch)
    }
    await fill('warm')
    const random = new Random(2)
    const bulk = await cpuOf(() => fill('bench'), documents)
    const writtenBytes = await file()
    const one = batches[0]!.slice(batches[0]!.indexOf('{', 1), batches[0]!.indexOf('},{"_id"') + 1)
    const put = await cpuOf(async () => {
      for (let n = 0; n < READS / 4; n++) {
        await client.bytes('PUT', `/warm/put-${n}`, one.replace(/"_id":"\w*",/, ''))
      }
    }, READS / 4)
    await choose(compacted!)
    const compact = await cpuOf(async () => {
      await client.send('POST', '/bench/_compact', {})
      const clock = stopwatch()
      for (let seconds = 0; seconds < 60; seconds += clock()) {
        if ((await client.json<unknown[]>('GET', '/_active_tasks')).length === 0) break
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }, documents)
    const gets = async (): Promise<void> => {
      for (let n = 0; n < READS; n++) await client.bytes('GET', `/bench/${idOf(random.int(documents))}`)
    }
    await gets()
    const get = await cpuOf(gets, READS)
    const scans = async (path: string): Promise<number> => {
      await client.bytes('GET', path)
      return cpuOf(async () => {
        for (let i = 0; i < 3; i++) await client.bytes('GET', path)
      }, 3 * documents)
    }
    const allDocs = await scans('/bench/_all_docs?include_docs=true')
    const changes = await scans('/bench/_changes?include_docs=true')
    const compactedBytes = await file()
    client.close()
    await server.stop()
    return {
      bulk,
      put,
      get,
      all_docs: allDocs,
      changes,
      compact,
      written: writtenBytes,
      compacted: compactedBytes,
    }
  } finally {
    await server.kill()
  }
}

/** The length of a CouchDB's file for the same documents, after a compaction. */
async function peerFile(url: string, batches: readonly string[], documents: number): Promise<string> {
  const { origin, username, password } = new URL(url)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const send = async (method: string, path: string, body?: string): Promise<unknown> => {
    const headers = { authorization, 'content-type': 'application/json' }
    const reply = await fetch(`${origin}/compression-bench${path}`, {
      method,
      headers,
      ...(body && { body }),
    })
    return reply.json()
  }
  await send('DELETE', '')
  await send('PUT', '?q=1')
  for (const batch of batches) await send('POST', '/_bulk_docs', batch)
  await send('POST', '/_compact', '{}')
  type Info = { compact_running: boolean; sizes: { file: number } }
  let info: Info
  do {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    info = (await send('GET', '')) as Info
  } while (info.compact_running)
  await send('DELETE', '')
  return `${url}: ${(info.sizes.file / documents).toFixed(1)} bytes of the file a document after a compaction`
}
