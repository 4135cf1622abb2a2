/**
 * Peers that are as they should be but for one request: each replication ends and says what was wrong, without credentials; and when
 * the peer has come to its senses, the next one brings all, so that no checkpoint has passed anything by.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { startTestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

interface Asked {
  readonly method: string
  /** Behind the database. */
  readonly path: string
  readonly answer: ServerResponse
}

/** False: it is as it should be. */
type Strangeness = (asked: Asked) => boolean

const DOCUMENTS = 5
const AT_ONCE = 6
const LONG = Buffer.alloc(100_000, 'attached').toString('base64')
const JSON_TYPE = { 'content-type': 'application/json' }
const BOMB = gzipSync(Buffer.alloc(80 * 1024 * 1024, ' '))
/** What goes on for ever, as fast as it is taken. */
const PIECE = Buffer.alloc(256 * 1024, 'x')

function endless(answer: ServerResponse, first: string, piece: Buffer = PIECE): void {
  const more = (): void => {
    while (!answer.destroyed && answer.write(piece));
    answer.once('drain', more)
  }
  answer.on('error', () => undefined)
  answer.write(first)
  more()
}

/** Answers what is asked for at `path`. */
function at(path: string | RegExp, say: (answer: ServerResponse) => void): Strangeness {
  return (asked) => {
    const isMeant =
      typeof path === 'string'
        ? asked.path.split('?')[0] === path
        : path.test(`${asked.method} ${asked.path.split('?')[0]}`)
    if (isMeant) say(asked.answer)
    return isMeant
  }
}

function text(status: number, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) {
  return (answer: ServerResponse): void => void answer.writeHead(status, headers).end(body)
}

const json = (value: unknown, status = 200) => text(status, JSON.stringify(value))

const row = { seq: 1, id: 'd0', changes: [{ rev: '1-a' }] }
const MIXED = { 'content-type': 'multipart/mixed; boundary="x"' }

const SOURCES: Record<string, Strangeness> = {
  'rows without changes': at('_changes', json({ results: [{ seq: 1, id: 'd0' }], last_seq: 9 })),
  'rows without a revision': at('_changes', json({ results: [{ ...row, changes: [] }], last_seq: 9 })),
  'rows that are none': at('_changes', json({ results: [null, 7], last_seq: 9 })),
  'revisions that are none': at(
    '_changes',
    json({ results: [{ ...row, changes: [{ rev: 'x' }] }], last_seq: 9 }),
  ),
  'changes without a last sequence': at('_changes', json({ results: [] })),
  'changes that do not go on': at('_changes', json({ results: [row], last_seq: 0, pending: 5 })),
  'changes of another type': at(
    '_changes',
    text(200, '<html>sign in</html>', { 'content-type': 'text/html' }),
  ),
  'garbage behind the changes': at('_changes', text(200, '{"results":[],"last_seq":9}}]')),
  'changes without end': at('_changes', (answer) =>
    endless(answer.writeHead(200, JSON_TYPE), '{"results":['),
  ),
  'packed changes that are a bomb': at(
    '_changes',
    text(200, BOMB, { ...JSON_TYPE, 'content-encoding': 'gzip' }),
  ),
  'packed changes that are not packed': at(
    '_changes',
    text(200, '{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }),
  ),
  'a head without end': at('_changes', (answer) => {
    answer.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(300_000)}`)
  }),
  'redirects in a circle': at('_changes', text(302, '', { location: '_changes?a' })),
  'redirects with a password': at('_changes', text(302, '', { location: 'ftp://user:secret@localhost/' })),
  'results without the documents': at('_bulk_get', json({ results: [{ id: 'd0', docs: [] }, null] })),
  'no results': at('_bulk_get', json({})),
  'documents that nobody asked for': at('_bulk_get', (answer) => {
    answer.writeHead(200, MIXED)
    endless(
      answer,
      '',
      Buffer.from('--x\r\n\r\n{"_id":"z","_rev":"1-a","_revisions":{"start":1,"ids":["a"]}}\r\n'),
    )
  }),
  'a document without end': at('_bulk_get', (answer) => {
    answer.writeHead(200, MIXED)
    endless(answer, '--x\r\ncontent-type: application/json\r\n\r\n{"_id":"')
  }),
  'what comes before the first part has no end': at('_bulk_get', (answer) =>
    endless(answer.writeHead(200, MIXED), ''),
  ),
  'no boundary': at('_bulk_get', text(200, 'x', { 'content-type': 'multipart/mixed' })),
  'neither many nor one': (asked) =>
    at('_bulk_get', json({}, 404))(asked) || at(/^GET d\d/, text(200, '<html>'))(asked),
  'one document without end': (asked) =>
    at('_bulk_get', json({}, 404))(asked) ||
    at(/^GET d\d/, (answer) => endless(answer.writeHead(200, MIXED), '--x\r\n\r\n{"_id":"'))(asked),
  'a checkpoint that is none': at(/^GET _local/, text(200, '[1]')),
  'a checkpoint that is not taken': at(/^PUT _local/, text(200, 'null')),
  'information that is none': at(/^GET $/, text(200, '7')),
}

const TARGETS: Record<string, Strangeness> = {
  'differences that are a list': at('_revs_diff', json([])),
  'differences that are a word': at('_revs_diff', json('none')),
  'differences without revisions': at('_revs_diff', json({ d0: {}, d1: 7, d2: { missing: 'all' } })),
  'differences of other documents': at(
    '_revs_diff',
    json({ z: { missing: ['1-a'] }, d0: { missing: ['9-z'] } }),
  ),
  'an object for results': at('_bulk_docs', json({ ok: true }, 201)),
  'a page for results': at('_bulk_docs', text(200, '<html>', { 'content-type': 'text/html' })),
  'nothing for results': at('_bulk_docs', text(201, '')),
  'errors of nobody': at('_bulk_docs', json([{ error: 'forbidden', reason: 'no' }], 201)),
  'errors that are no words': at('_bulk_docs', json([{ id: 'd0', error: true, status: 400 }], 201)),
  'many that are moved': at('_bulk_docs', text(302, '', { location: '/elsewhere' })),
  'a page for one': at(/^PUT long/, text(200, '<html>', { 'content-type': 'text/html' })),
  'nothing for one': at(/^PUT long/, text(201, '')),
  'one that is moved': at(/^PUT long/, text(301, '', { location: '/elsewhere' })),
  'a database that is gone': at(
    /^PUT long/,
    json({ error: 'not_found', reason: 'Database does not exist.' }, 404),
  ),
  'an answer to one without end': at(/^PUT long/, (answer) => endless(answer.writeHead(201, JSON_TYPE), '{')),
}

/** What may be told as a failure of some documents, which are counted. */
const COUNTED = new Set(['one document without end', 'errors that are no words'])
/** Neither keeps documents from going over. */
const HARMLESS = new Set([
  'results without the documents',
  'no results',
  'documents that nobody asked for',
  'a document without end',
  'what comes before the first part has no end',
  'no boundary',
])

/** Hands a request on to `port`, unless the job's `x-kind` says that it is a strange one. */
async function startPeer(t: Test, port: number, honest: Set<string>): Promise<string> {
  const kinds = { ...SOURCES, ...TARGETS }
  const server = createServer((incoming: IncomingMessage, answer) => {
    const { method = 'GET', url = '', headers } = incoming
    const kind = String(headers['x-kind'])
    const path = url.split('/').slice(2).join('/')
    incoming.on('error', () => undefined)
    answer.on('error', () => undefined)
    if (!honest.has(kind) && !url.startsWith('/_session') && kinds[kind]!({ method, path, answer })) {
      incoming.resume()
      return
    }
    const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (head) => {
      answer.writeHead(head.statusCode!, head.headers)
      head.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('one strange answer', async (t) => {
  const own = await startTestServer({
    config: {
      DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '1',
      DAVENPORT_COUCHDB__MAX_DOCUMENT_SIZE: '100000',
    },
  })
  t.teardown(() => own.stop(0))
  const honest = new Set<string>()
  const port = Number(new URL(own.url).port)
  const peer = (await startPeer(t, port, honest)).replace('://', '://admin:secret@')
  await call(own.url, 'PUT', '/source')
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: `d${n}`, n }))
  const long = { _id: 'long', _attachments: { a: { content_type: 'image/png', data: LONG } } }
  await call(own.url, 'POST', '/source/_bulk_docs', { docs: [...docs, long] })
  const expected = await treesDigest(own.url, 'source')

  const check = async (kind: string, target: string, isSource: boolean): Promise<void> => {
    await call(own.url, 'PUT', `/${target}`)
    const at = (name: string) => ({ url: `${peer}/${name}`, headers: { 'x-kind': kind } })
    const job = {
      source: isSource ? at('source') : 'source',
      target: isSource ? target : at(target),
      connection_timeout: 2000,
    }
    const { status, body } = await call(own.url, 'POST', '/_replicate', job)
    const told = JSON.stringify(body)
    t.notMatch(told, /secret|x-kind/, kind)
    if (HARMLESS.has(kind)) t.equal(status, 200, `${kind}: ${told}`)
    else if (COUNTED.has(kind)) t.match(told, /"doc_write_failures":[1-9]/, kind)
    else {
      t.ok(status >= 400, `${kind}: ${told}`)
      t.match(body, { error: /^\w+$/, reason: /./ }, kind)
    }
    if (kind === 'a database that is gone') t.equal(body['error'], 'db_not_found', told)
    honest.add(kind)
    // What a document was counted as a failure for is its own affair: it is not looked at again.
    if (COUNTED.has(kind)) return
    const after = await call(own.url, 'POST', '/_replicate', job)
    t.equal(after.status, 200, `${kind}, then: ${JSON.stringify(after.body)}`)
    t.equal(await treesDigest(own.url, target), expected, `${kind}: all is there then`)
  }
  const runs = [
    ...Object.keys(SOURCES).map((kind, n) => () => check(kind, `pulled-${n}`, true)),
    ...Object.keys(TARGETS).map((kind, n) => () => check(kind, `pushed-${n}`, false)),
  ].values()
  const inTurns = async (): Promise<void> => {
    for (const run of runs) await run()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, inTurns))
  t.notMatch(own.lines.join('\n'), /secret/)
  t.same((await call(own.url, 'GET', '/_active_tasks')).body, [])
})
