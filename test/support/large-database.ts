/** A database of a given size, and clients that read it whole, as slowly as they like. */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpClient } from './http-client.ts'
import type { Random } from './random.ts'
import { forgetPeak, processMemory, type ServerProcess } from './server-process.ts'

export const LARGE_DATABASE = 'large'

const CLIENTS = 2
const BATCH_BYTES = 1024 * 1024
const LEAST_BODY = 1000
const MOST_BODY = 10_000
const NEWLINE = 10

/** Fills the database with about `bytes` of documents of 1 to 10 KB. Returns their number. */
export async function fillLargeDatabase(port: number, bytes: number, random: Random): Promise<number> {
  const maker = new HttpClient(port)
  await maker.json('PUT', `/${LARGE_DATABASE}`)
  maker.close()
  const filler = Buffer.from(random.bytes(MOST_BODY)).toString('base64').slice(0, MOST_BODY)
  let left = bytes
  let documents = 0
  const batch = (): string => {
    const docs: string[] = []
    let size = 0
    while (size < BATCH_BYTES && left > 0) {
      const length = random.between(LEAST_BODY, MOST_BODY)
      docs.push(`{"_id":"${largeId(documents)}","text":"${filler.slice(0, length)}"}`)
      documents += 1
      size += length
      left -= length
    }
    return `{"docs":[${docs.join(',')}]}`
  }
  const run = async (): Promise<void> => {
    const client = new HttpClient(port)
    while (left > 0) {
      const rows = await client.json<{ ok?: boolean }[]>('POST', `/${LARGE_DATABASE}/_bulk_docs`, batch())
      if (rows.some(({ ok }) => ok !== true)) throw new Error('a document was refused')
    }
    client.close()
  }
  await Promise.all(Array.from({ length: CLIENTS }, run))
  return documents
}

/** Of the document with this number; their order is that of the numbers. */
export function largeId(number: number): string {
  return `document-${String(number).padStart(9, '0')}`
}

export interface Scan {
  bytes: number
  /** Lines that ended; a row is a line, the head and the end of the listing are another two or more. */
  lines: number
}

export interface Pause {
  /** After this many bytes, and again after as many. */
  everyBytes: number
  pauseMs: number
}

/** Reads a listing of the database to its end. */
export async function scanLargeDatabase(port: number, path: string, pause?: Pause): Promise<Scan> {
  const client = new HttpClient(port)
  const response = await client.open('GET', `/${LARGE_DATABASE}/${path}`)
  const scan: Scan = { bytes: 0, lines: 0 }
  let next = pause?.everyBytes ?? Number.POSITIVE_INFINITY
  for await (const chunk of response) {
    const bytes = chunk as Buffer
    scan.bytes += bytes.length
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) scan.lines += 1
    if (scan.bytes < next) continue
    next += pause!.everyBytes
    await delay(pause!.pauseMs)
  }
  if (!response.complete) throw new Error('the listing was cut off')
  client.close()
  return scan
}

/** Runs `use` and returns by how much the process's memory grew at the most meanwhile, and from what. */
export async function growthDuring<T>(
  server: ServerProcess,
  use: () => Promise<T>,
): Promise<{ result: T; baselineBytes: number; growthBytes: number }> {
  await forgetPeak(server)
  const { residentBytes } = await processMemory(server)
  const result = await use()
  const { peakBytes } = await processMemory(server)
  return { result, baselineBytes: residentBytes, growthBytes: peakBytes - residentBytes }
}
