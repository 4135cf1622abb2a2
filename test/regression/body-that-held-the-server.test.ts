/**
 * Every route read and unpacked up to 256 MB and made objects of it in one turn of the event loop: 260 KB of gzip, sent
 * by anybody to `_session`, stopped the server for half a minute and took gigabytes. Here texts that are costly to scan,
 * to parse or to keep come to every route that reads a body; all are refused, while another client is served.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { besideHostile } from '../support/hostile-run.ts'
import { ADMIN, processMemory, startServerProcess } from '../support/server-process.ts'

const folder = await mkdtemp(join(tmpdir(), 'davenport-bodies-'))
const server = startServerProcess({
  dataDir: folder,
  // Of the default in a quarter of the time.
  environment: { DAVENPORT_DAVENPORT__MAX_JSON_SIZE: String(32 * 1024 * 1024) },
})
t.teardown(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})
const port = await server.port

const MEBIBYTE = 1024 * 1024
/** Beyond every bound. */
const UNPACKED_BYTES = 40 * MEBIBYTE
/** Of the whole process; before, one request took 3.4 GB. */
const MOST_MEMORY = 600 * MEBIBYTE
/** A machine that is busy with other tests makes it wait too; before, it was 25 s and more. */
const MOST_WAIT_MS = 5000

const headers = {
  'content-type': 'application/json',
  'content-encoding': 'gzip',
  authorization: `Basic ${Buffer.from(ADMIN).toString('base64')}`,
}

/** Elements of an array without end. Members of gzip that follow each other unpack to one text. */
const ENDLESS = gzipSync(Buffer.alloc(UNPACKED_BYTES, '{},'), { level: 1 })

async function send(line: string, body: Buffer, sent: Record<string, string> = headers): Promise<number> {
  const [method, path] = line.split(' ') as [string, string]
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body, headers: sent })
  await answer.arrayBuffer()
  return answer.status
}

const ROUTES: readonly (readonly [line: string, head: string])[] = [
  ['POST /_session', '{"name":'],
  ['POST /_dbs_info', '{"keys":'],
  ['POST /_replicate', '{"source":'],
  ['POST /_cluster_setup', '{"action":'],
  ['POST /db/_all_docs', '{"keys":'],
  ['POST /db/_all_docs/queries', '{"queries":'],
  ['POST /db/_design_docs', '{"keys":'],
  ['POST /db/_local_docs', '{"keys":'],
  ['POST /db/_bulk_docs', '{"docs":'],
  ['POST /db/_bulk_docs', '{"other":'],
  ['POST /db/_bulk_get', '{"docs":'],
  ['POST /db/_revs_diff', '{"a":'],
  ['POST /db/_missing_revs', '{"a":'],
  ['POST /db/_purge', '{"a":'],
  ['PUT /db/_security', '{"admins":'],
  ['PUT /db/_revs_limit', ''],
  ['PUT /db/_purged_infos_limit', ''],
  ['POST /db/_changes?filter=_doc_ids', '{"doc_ids":'],
  ['PUT /db/doc', '{"a":'],
  ['PUT /db/doc', '{"_attachments":'],
  ['PUT /db/_local/doc', '{"a":'],
  ['POST /db', '{"a":'],
]

t.test('texts that unpack to 40 MB, at every route', { timeout: 300_000 }, async (t) => {
  t.equal(await send('PUT /db', Buffer.alloc(0), { authorization: headers.authorization }), 201)
  for (const [line, head] of ROUTES) {
    const body = Buffer.concat([gzipSync(`${head}[`), ENDLESS])
    const anonymous = line === 'POST /_session'
    const { authorization, ...nobody } = headers
    const sent = anonymous ? nobody : { ...nobody, authorization }
    const { outcome, longestWaitMs } = await besideHostile(port, () => send(line, body, sent))
    t.equal(outcome, 413, `${line} ${head}`)
    t.ok(longestWaitMs < MOST_WAIT_MS, `another client waited ${Math.round(longestWaitMs)} ms`)
  }
  t.ok((await processMemory(server)).peakBytes < MOST_MEMORY, 'in bounded memory')
})

t.test('texts as long as their routes take', { timeout: 300_000 }, async (t) => {
  const long = (head: string, element: string, bytes: number, tail: string): Buffer => {
    const count = Math.floor((bytes - head.length - tail.length) / element.length)
    return gzipSync(Buffer.from(head + element.repeat(count) + tail), { level: 1 })
  }
  for (const [line, body, status] of [
    ['POST /db/_all_docs', long('{"keys":[', '{},', 32 * MEBIBYTE, '0]}'), 413],
    ['POST /db/_revs_diff', long('{"a":[', '0,', 32 * MEBIBYTE, '0]}'), 413],
    ['POST /db/_bulk_get', long('{"docs":[', '{"id":"a"},', 8 * MEBIBYTE, '0]}'), 413],
    ['POST /db/_all_docs/queries', long('{"queries":[', '{},', MEBIBYTE, '{}]}'), 413],
    ['POST /db/_bulk_docs', long('{"docs":[', '{},', 32 * MEBIBYTE, '{}]}'), 413],
    ['PUT /db/doc', long('{"a":[', '1.5e3,', 24 * MEBIBYTE, '0]}'), 413],
    ['PUT /db/doc', long('{"a":[', '1.5e3,', 5 * MEBIBYTE, '0]}'), 201],
    ['POST /db/_changes?filter=_doc_ids', long('{"doc_ids":[', '0,', 4 * MEBIBYTE, '0]}'), 413],
    ['POST /db/_revs_diff', long('{"a":[', '"1-a",', 4 * MEBIBYTE, '"1-a"]}'), 413],
    ['POST /db/_revs_diff', long('{"a":[', '"1-a",', MEBIBYTE / 4, '"1-a"]}'), 200],
  ] as const) {
    const { outcome, longestWaitMs } = await besideHostile(port, () => send(line, body))
    t.equal(outcome, status, line)
    t.ok(longestWaitMs < MOST_WAIT_MS, `another client waited ${Math.round(longestWaitMs)} ms`)
  }
  t.ok((await processMemory(server)).peakBytes < MOST_MEMORY, 'in bounded memory')
})
