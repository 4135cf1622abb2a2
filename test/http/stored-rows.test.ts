/**
 * Listings are written from where documents are stored, without an object a row. The bytes must be those that the same rows give as
 * objects, for every option and for documents of every shape.
 */
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import t from 'tap'
import { StoredView } from '../../src/database/read/document-view.ts'
import { WalkedRows } from '../../src/database/read/stored-rows.ts'
import { WinnerView } from '../../src/database/read/winner-view.ts'
import { ReadingDatabase } from '../../src/database/reading-database.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const IDS = [
  'a',
  '0',
  'plain id',
  'quote"d',
  'back\\slash',
  'tab\tbed',
  '\u007f',
  'ünïcode',
  '漢字',
  '😀',
  '_design/x',
]
const LONG = 'long '.repeat(100)

/** What rows can be had by otherwise than as objects. */
const WAYS: [object, string, unknown][] = [
  [WalkedRows.prototype, 'nextStored', undefined],
  [ReadingDatabase.prototype, 'storedRow', () => undefined],
  [StoredView.prototype, 'locateBody', undefined],
  [WinnerView.prototype, 'locateBody', undefined],
]

/** `run` with rows that can be had as objects alone. */
async function withObjects<T>(run: () => Promise<T>): Promise<T> {
  const own = WAYS.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name)!)
  for (const [owner, name, value] of WAYS) {
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
  }
  try {
    return await run()
  } finally {
    for (const [at, [owner, name]] of WAYS.entries()) Object.defineProperty(owner, name, own[at]!)
  }
}

function revision(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random.int(16).toString(16)).join('')
  return random.int(12) === 0 ? `literal"id-${random.int(100)}` : hex
}

function idOf(random: Random): string {
  const kind = random.int(10)
  if (kind < 3) return IDS[random.int(IDS.length)]!
  if (kind === 3) return `${LONG.repeat(1 + random.int(4))}${random.int(50)}`
  return `document ${random.int(300)}`
}

/** Bodies of no, one and very many bytes, some with attachments. */
function bodyOf(random: Random): Record<string, unknown> {
  const kind = random.int(8)
  if (kind === 0) return {}
  if (kind === 1) return { text: 'x'.repeat(random.int(200_000)) }
  if (kind === 2) return { _attachments: { 'a.txt': { content_type: 'text/plain', data: 'aGVsbG8=' } } }
  return { n: random.int(1000), text: `ä "${'y'.repeat(random.int(300))}` }
}

/** New documents, conflicts, deletions and revisions that have ids of their own kind. */
async function fill(server: TestServer, random: Random): Promise<void> {
  for (let batch = 0; batch < 12; batch++) {
    const docs = Array.from({ length: 40 }, () => {
      const ids = Array.from({ length: 1 + random.int(3) }, () => revision(random))
      const start = ids.length + random.int(2)
      const _deleted = random.int(4) === 0
      const edit = { _id: idOf(random), _rev: `${start}-${ids[0]}`, _revisions: { start, ids } }
      return { ...edit, ...bodyOf(random), ...(_deleted ? { _deleted } : {}) }
    })
    const written = await ask(server, 'POST /db/_bulk_docs', { json: { docs, new_edits: false } })
    if (written.status >= 300) throw new Error(written.text)
  }
}

function queryOf(random: Random, names: Record<string, readonly string[]>): string {
  const parts: string[] = []
  for (const [name, values] of Object.entries(names)) {
    if (random.int(3) === 0) parts.push(`${name}=${encodeURIComponent(values[random.int(values.length)]!)}`)
  }
  return parts.join('&')
}

const FLAGS = ['true', 'false']
const KEYS = ['"a"', '"document 1"', '"document 200"', '"z"', '"ü"', '1', '"_design/x"']
const LISTING = {
  include_docs: FLAGS,
  conflicts: FLAGS,
  attachments: FLAGS,
  descending: FLAGS,
  update_seq: FLAGS,
  inclusive_end: FLAGS,
  limit: ['0', '1', '7', '60', '1000'],
  skip: ['0', '1', '30', '5000'],
  start_key: KEYS,
  end_key: KEYS,
}
const CHANGES = {
  include_docs: FLAGS,
  conflicts: FLAGS,
  attachments: FLAGS,
  descending: FLAGS,
  style: ['all_docs', 'main_only'],
  limit: ['1', '7', '60', '1000'],
  since: ['0', 'now', '100'],
  seq_interval: ['1', '3', '100'],
  feed: ['normal', 'longpoll', 'continuous', 'eventsource'],
}

/** Selectors that an index proves, that documents are looked at for, and that the index covers. */
function selectionOf(random: Random): unknown {
  const range = { n: { $gte: random.int(500), $lt: 500 + random.int(600) } }
  const selector = [range, { ...range, text: { $regex: 'y' } }, { n: { $exists: true } }][random.int(3)]
  const fields = [undefined, ['_id', 'n'], ['_id', '_rev', 'text'], ['_attachments']][random.int(4)]
  return {
    selector,
    fields,
    conflicts: random.int(3) === 0,
    skip: random.int(4),
    limit: 1 + random.int(80),
    sort: random.int(2) === 0 ? [{ n: 'desc' }] : undefined,
  }
}

const FOUND = { revs: FLAGS, latest: FLAGS, attachments: FLAGS, show_exp: FLAGS, att_encoding_info: FLAGS }

/** Documents that are there and others, by revisions that are leaves, ancestors or unknown, and wishes that cannot be read. */
function wishesOf(random: Random, known: readonly { id: string; rev: string }[]): unknown[] {
  return Array.from({ length: random.int(60) }, () => {
    const { id, rev } = known[random.int(known.length)]!
    const kind = random.int(12)
    if (kind < 4) return { id }
    if (kind < 8) return { id, rev }
    if (kind === 8) return { id: idOf(random), rev: `${1 + random.int(3)}-${revision(random)}` }
    if (kind === 9) return { id, rev, atts_since: random.int(2) === 0 ? [] : [rev] }
    if (kind === 10) return { id: random.int(2) === 0 ? '_local/x' : idOf(random) }
    return [{ id, rev: 'no revision' }, {}, { id: 7 }, 3, { id: '_bad' }][random.int(5)]
  })
}

for (const compression of ['none', 'snappy', 'deflate_6']) {
  t.test(`rows that are written from where they are stored; bodies packed by ${compression}`, async (t) => {
    const server = await startTestServer({
      threads: 0,
      limits: { feedTimeoutMs: 20 },
      config: { DAVENPORT_COUCHDB__FILE_COMPRESSION: compression },
    })
    t.teardown(() => server.stop())
    const random = new Random(propertySeed(t))
    await ask(server, 'PUT /db')
    await ask(server, 'POST /db/_index', { json: { index: { fields: ['n'] } } })
    await fill(server, random)
    const changes = await ask(server, 'GET /db/_changes?style=all_docs')
    const { results } = changes.json as { results: { id: string; changes: { rev: string }[] }[] }
    const known = results.flatMap(({ id, changes }) => changes.map(({ rev }) => ({ id, rev })))
    let differences = 0
    const queries = { _all_docs: LISTING, _changes: CHANGES, _bulk_get: FOUND, _find: {} }
    for (let i = 0; i < 250; i++) {
      const path = (['_all_docs', '_changes', '_bulk_get', '_find'] as const)[random.int(4)]!
      const sending =
        path === '_bulk_get'
          ? { json: { docs: wishesOf(random, known) } }
          : path === '_find'
            ? { json: selectionOf(random) }
            : {}
      const line = `${'json' in sending ? 'POST' : 'GET'} /db/${path}?${queryOf(random, queries[path])}`
      const stored = await ask(server, line, sending)
      const objects = await withObjects(() => ask(server, line, sending))
      if (stored.status === objects.status && stored.text === objects.text) continue
      differences += 1
      t.comment(line)
    }
    for (const id of new Set([...IDS, ...known.map(({ id }) => id)])) {
      const line = `GET /db/${encodeURIComponent(id)}`
      const stored = await ask(server, line)
      const objects = await withObjects(() => ask(server, line))
      const names = ['etag', 'content-length', 'content-type', 'cache-control']
      const isSame = names.every((name) => stored.headers[name] === objects.headers[name])
      if (isSame && stored.status === objects.status && stored.text === objects.text) continue
      differences += 1
      t.comment(line)
    }
    t.equal(differences, 0)
  })
}

/** A digest of the answer's body, read with a pause after every so many bytes, in which the server runs out of room. */
function readSlowly(server: TestServer, path: string, pauseBytes: number): Promise<string> {
  const { port } = server.http
  const headers = { authorization: server.authorization }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers }, (response) => {
      const hash = createHash('sha256')
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        bytes += chunk.length
        if (bytes < pauseBytes) return
        bytes = 0
        response.pause()
        setTimeout(() => response.resume(), 100)
      })
      response.on('error', reject)
      response.on('end', () => resolve(hash.digest('hex')))
    })
    sent.on('error', reject)
    sent.end()
  })
}

t.test('chunks that are used again are sent before, however slowly they are read', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  const random = new Random(propertySeed(t))
  await ask(server, 'PUT /db')
  for (let batch = 0; batch < 8; batch++) {
    const docs = Array.from({ length: 500 }, (_, at) => ({
      _id: `${batch * 500 + at}`,
      text: `${random.next()} `.repeat(500),
    }))
    await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
  }
  const paths = ['/db/_all_docs?include_docs=true', '/db/_changes?include_docs=true', '/db/_all_docs']
  const wanted = await withObjects(() =>
    Promise.all(paths.map((path) => readSlowly(server, path, Number.POSITIVE_INFINITY))),
  )
  const pauses = [2_000_000, Number.POSITIVE_INFINITY, 3_000_000, 4_000_000]
  const read = await Promise.all(
    pauses.map((pause) => Promise.all(paths.map((path) => readSlowly(server, path, pause)))),
  )
  for (const each of read) t.same(each, wanted)
})
