/**
 * Many small databases in one server's process: made and filled, read, listed, and read again after a restart.
 * Throws for the first answer that is not as it should be.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HttpClient } from './http-client.ts'
import { processMemory, type ServerProcess, startServerProcess } from './server-process.ts'

export interface ManyDatabases {
  dataDir: string
  databases: number
  documents: number
  openFiles: number
  environment?: Record<string, string>
  /** Told of each part when it is done. */
  onPart?: (part: string) => void
}

export interface ManyDatabasesReport {
  /** Peak memory of the process that made them, and of the one that read them again. */
  peakBytes: [number, number]
  /** Most disk of one database, and of all: blocks that are taken, not lengths. */
  largestDiskBytes: number
  diskBytes: number
}

const CLIENTS = 8
/** The most that one `_dbs_info` may name. */
const INFO_LIMIT = 100
const BLOCK_BYTES = 512

export async function useManyDatabases(options: ManyDatabases): Promise<ManyDatabasesReport> {
  const names = Array.from(
    { length: options.databases },
    (_, number) => `db-${String(number).padStart(6, '0')}`,
  )
  const peaks: number[] = []
  for (const make of [true, false]) {
    const server = startServerProcess(options)
    try {
      const port = await server.port
      if (make) await inTurns(port, names, (client, name) => makeDatabase(client, name, options.documents))
      if (make) options.onPart?.('made')
      await inTurns(port, names, (client, name) => readDatabase(client, name, options.documents))
      options.onPart?.(make ? 'read' : 'read after a restart')
      await list(port, names, options.documents)
      options.onPart?.('listed')
      peaks.push((await processMemory(server)).peakBytes)
      await stopped(server)
    } finally {
      await server.kill()
    }
  }
  return { peakBytes: [peaks[0]!, peaks[1]!], ...(await diskOf(join(options.dataDir, 'databases'), names)) }
}

async function stopped(server: ServerProcess): Promise<void> {
  const status = await server.stop()
  if (status !== 0) throw new Error(`the server ended with ${status}: ${server.child.err}`)
}

async function inTurns(
  port: number,
  names: readonly string[],
  use: (client: HttpClient, name: string) => Promise<void>,
): Promise<void> {
  let next = 0
  const run = async (): Promise<void> => {
    const client = new HttpClient(port)
    try {
      while (next < names.length) await use(client, names[next++]!)
    } finally {
      client.close()
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, run))
}

function documentOf(name: string, number: number): { _id: string; in: string; number: number } {
  return { _id: `document-${number}`, in: name, number }
}

async function makeDatabase(client: HttpClient, name: string, documents: number): Promise<void> {
  await client.json('PUT', `/${name}`)
  const docs = Array.from({ length: documents }, (_, number) => documentOf(name, number))
  const rows = await client.json<{ ok?: boolean }[]>('POST', `/${name}/_bulk_docs`, { docs })
  if (rows.length !== documents || rows.some(({ ok }) => ok !== true)) throw new Error(JSON.stringify(rows))
}

async function readDatabase(client: HttpClient, name: string, documents: number): Promise<void> {
  const listing = await client.json<{ rows: { doc: { _rev: string } }[] }>(
    'GET',
    `/${name}/_all_docs?include_docs=true`,
  )
  const shown = listing.rows.map(({ doc: { _rev, ...doc } }) => JSON.stringify(doc)).sort()
  const expected = Array.from({ length: documents }, (_, number) => JSON.stringify(documentOf(name, number)))
  if (shown.join() !== expected.sort().join()) throw new Error(`${name} shows ${shown.join()}`)
  const { _id, _rev, ...doc } = await client.json<Record<string, unknown>>('GET', `/${name}/document-0`)
  if (JSON.stringify({ _id, ...doc }) !== JSON.stringify(documentOf(name, 0)))
    throw new Error(JSON.stringify(doc))
}

async function list(port: number, names: readonly string[], documents: number): Promise<void> {
  const client = new HttpClient(port)
  try {
    const listed = await client.json<string[]>('GET', '/_all_dbs')
    if (listed.join() !== ['_replicator', '_users', ...names].join())
      throw new Error(`${listed.length} databases are listed`)
    for (let at = 0; at < names.length; at += INFO_LIMIT) {
      const keys = names.slice(at, at + INFO_LIMIT)
      const infos = await client.json<{ info?: { doc_count: number } }[]>('POST', '/_dbs_info', { keys })
      if (infos.some(({ info }) => info?.doc_count !== documents)) throw new Error(JSON.stringify(infos))
    }
  } finally {
    client.close()
  }
}

/** Companions of a database's file count with it. */
async function diskOf(
  folder: string,
  names: readonly string[],
): Promise<{ largestDiskBytes: number; diskBytes: number }> {
  const used = new Map<string, number>(names.map((name) => [name, 0]))
  for (const file of await readdir(folder)) {
    const name = file.slice(0, file.indexOf('.'))
    const { blocks } = await stat(join(folder, file))
    used.set(name, (used.get(name) ?? 0) + blocks * BLOCK_BYTES)
  }
  const sizes = [...used.values()]
  return { largestDiskBytes: Math.max(...sizes), diskBytes: sizes.reduce((sum, size) => sum + size, 0) }
}
