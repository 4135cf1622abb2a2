/**
 * Multipart bodies: the parser alone, and whole requests against a live server. Invariants:
 * - However a body is cut into chunks, the parser finds the same parts, or the same error, which is never another
 *   than bad_request; of a body that was put together from parts it finds just these.
 * - A document with parts, damaged or not, is answered within seconds: stored as its digests say, or refused with
 *   nothing written. The server answers the next request.
 * - What was stored undamaged is what was sent, read back as JSON and as multipart.
 */

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { DatabaseError } from '../../src/base/errors.ts'
import { boundaryOf, MultipartReader } from '../../src/documents/multipart-reader.ts'
import { encodeComponent } from '../../src/http/request/path.ts'
import { ask, type Reply } from '../../test/support/http-request.ts'
import { startTestServer, type TestServer } from '../../test/support/http-server.ts'
import { multipartPieces } from '../../test/support/multipart-pieces.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import type { Script } from '../script.ts'
import type { Target } from '../target.ts'

interface Part {
  headers: Record<string, string>
  body: string
}

type Outcome = { parts: Part[] } | { error: string }

const BOUNDARIES = ['b', '--b', 'abc123', 'a-a-a', 'x y', '=_:(?)']

/** Bytes that a parser could take for something else, as latin1. */
function content(random: Random, boundary: string): string {
  const pieces = multipartPieces(boundary)
  let text = ''
  for (let left = random.int(30); left > 0; left--) text += random.pick(pieces)
  if (random.bool(0.1)) text += 'long'.repeat(random.int(20_000))
  // Taking a delimiter out may make another one of what stood around it.
  while (text.includes(`\r\n--${boundary}`)) text = text.replaceAll(`\r\n--${boundary}`, '')
  return text
}

function assemble(parts: readonly Part[], boundary: string): Buffer {
  const texts = parts.map(({ headers, body }) => {
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return `--${boundary}\r\n${head.join('')}\r\n${body}\r\n`
  })
  return Buffer.from(`${texts.join('')}--${boundary}--`, 'latin1')
}

/** One or two places changed: bytes out, noise in, or the rest cut off. */
function damage(random: Random, bytes: Buffer, boundary: string): Buffer {
  const noises = [
    '',
    '\r\n',
    '--',
    `--${boundary}`,
    `\r\n--${boundary}\r\n\r\n`,
    `\r\n--${boundary}--`,
    '"',
    '\0',
    ':',
  ]
  let damaged = bytes
  for (let left = 1 + random.int(2); left > 0; left--) {
    const at = random.int(damaged.length + 1)
    if (random.bool(0.2)) damaged = damaged.subarray(0, at)
    const rest = damaged.subarray(Math.min(damaged.length, at + random.int(8)))
    damaged = Buffer.concat([damaged.subarray(0, at), Buffer.from(random.pick(noises)), rest])
  }
  return damaged
}

async function* chunked(bytes: Buffer, cut: () => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const next = at + Math.max(1, cut())
    yield bytes.subarray(at, next)
    at = next
  }
}

async function parse(bytes: Buffer, boundary: string, cut: () => number): Promise<Outcome> {
  const reader = new MultipartReader(chunked(bytes, cut), boundary)
  const parts: Part[] = []
  try {
    for (let part = await reader.nextPart(); part !== undefined; part = await reader.nextPart()) {
      const chunks: Buffer[] = []
      for await (const chunk of part.body) chunks.push(chunk)
      parts.push({
        headers: Object.fromEntries(part.headers),
        body: Buffer.concat(chunks).toString('latin1'),
      })
    }
    return { parts }
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.kind !== 'badRequest') throw error
    return { error: error.reason }
  }
}

function assertSame(found: unknown, wanted: unknown, what: string): void {
  if (isDeepStrictEqual(found, wanted)) return
  const shown = (value: unknown): string => JSON.stringify(value).slice(0, 600)
  throw new Error(`${what}: found ${shown(found)}, wanted ${shown(wanted)}`)
}

async function examineParser(random: Random, coverage: Coverage): Promise<void> {
  const boundary = random.pick(BOUNDARIES)
  const parts = Array.from({ length: random.int(4) }, (_, n) => ({
    headers: n % 2 === 0 ? { 'x-n': String(n), 'content-type': 'a/b' } : {},
    body: content(random, boundary),
  }))
  const good = assemble(parts, boundary)
  const small = () => random.int(7)
  assertSame(await parse(good, boundary, small), { parts }, 'a whole body')
  const bytes = damage(random, good, boundary)
  const whole = await parse(bytes, boundary, () => bytes.length)
  assertSame(
    await parse(bytes, boundary, small),
    whole,
    `cut up: ${JSON.stringify(bytes.toString('latin1'))}`,
  )
  coverage.count('error' in whole ? 'brokenBodies' : 'damagedButWhole')
  try {
    boundaryOf(`multipart/related; boundary=${content(random, boundary)}`)
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.kind !== 'badRequest') throw error
  }
}

interface Stub {
  digest: string
  data?: string
  content_type: string
}

async function examineRequest(server: TestServer, random: Random, coverage: Coverage): Promise<void> {
  const boundary = random.pick(BOUNDARIES)
  const contents = Array.from({ length: random.int(4) }, () => content(random, boundary))
  const entries = contents.map((body, n) => [
    `f${n}`,
    {
      follows: true,
      content_type: random.pick(['text/plain', 'image/png']),
      ...(random.bool(0.7) ? { length: body.length } : {}),
      ...(random.bool(0.3) ? { digest: `md5-${digestOf(Buffer.from(body, 'latin1'))}` } : {}),
    },
  ])
  const document: Record<string, unknown> = { n: random.int(100) }
  if (entries.length > 0) document['_attachments'] = Object.fromEntries(entries)
  const head = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) }
  const body = assemble([head, ...contents.map((each) => ({ headers: {}, body: each }))], boundary)
  const isWhole = random.bool(0.3)
  const sent = isWhole ? body : damage(random, body, boundary)
  const path = `/db/m${random.next()}`
  const headers = { 'content-type': `multipart/related; boundary="${boundary}"` }
  const { status, text } = await ask(server, `PUT ${path}`, { body: sent, headers })
  if (status >= 500) throw new Error(`answered with ${status}: ${text} ${server.lines.at(-1)}`)
  const found = await ask(server, `GET ${path}?attachments=true`)
  if (status !== 201) {
    if (isWhole) throw new Error(`a good body was refused: ${status} ${text}`)
    if (found.status !== 404) throw new Error(`a refused document is there: ${status} ${text}`)
    coverage.count('refusedRequests')
    return
  }
  coverage.count(isWhole ? 'storedWhole' : 'storedDamaged')
  const stored = found.json as { _attachments?: Record<string, Stub> }
  for (const [name, { digest, data }] of Object.entries(stored._attachments ?? {})) {
    const bytes = Buffer.from(data!, 'base64')
    // What is kept gzipped has the digest of its gzipped bytes.
    const plain = await ask(server, `GET ${path}/${encodeComponent(name)}`, {
      headers: { 'accept-encoding': 'identity' },
    })
    if (plain.headers.etag === undefined) throw new Error(`${name} has no ETag`)
    if (plain.headers['content-encoding'] === undefined && plain.headers['content-md5'] !== undefined) {
      assertSame(digestOf(bytes), plain.headers['content-md5'], `the digest of ${name}`)
    }
    if (!digest.startsWith('md5-')) throw new Error(`no digest: ${digest}`)
  }
  if (!isWhole) return
  const got = Object.values(stored._attachments ?? {}).map(({ data }) =>
    Buffer.from(data!, 'base64').toString('latin1'),
  )
  assertSame(got, contents, 'contents')
  await readBack(server, path, contents, coverage)
}

/** The document as multipart, taken apart by the parser. */
async function readBack(
  server: TestServer,
  path: string,
  contents: readonly string[],
  coverage: Coverage,
): Promise<void> {
  if (contents.length === 0) return
  const { authorization } = server
  const answer = await fetch(`${server.http.url}${path}?attachments=true`, {
    headers: { accept: 'multipart/related', authorization },
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const parsed = await parse(bytes, boundaryOf(answer.headers.get('content-type')!), () => bytes.length)
  if ('error' in parsed) throw new Error(`our own body is broken: ${parsed.error}`)
  const plain = parsed.parts.slice(1).filter(({ headers }) => headers['content-encoding'] === undefined)
  for (const { body } of plain) {
    if (!contents.includes(body)) throw new Error('a part that nobody sent')
  }
  assertSame(parsed.parts.length, contents.length + 1, 'parts')
  coverage.count('readBack')
}

function digestOf(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64')
}

async function play(server: TestServer, script: Script): Promise<void> {
  await expectStatus(ask(server, 'DELETE /db'), [200, 404])
  await expectStatus(ask(server, 'PUT /db'), [201])
  for (const random of script.events()) {
    if (random.bool(0.6)) {
      await examineParser(random, script.coverage)
    } else {
      await examineRequest(server, random, script.coverage)
      await expectStatus(ask(server, 'GET /db'), [200])
    }
  }
}

async function expectStatus(reply: Promise<Reply>, wanted: number[]): Promise<void> {
  const { status, text } = await reply
  if (!wanted.includes(status)) throw new Error(`answered with ${status}: ${text}`)
}

export const multipart: Target = {
  name: 'multipart',
  summary: 'multipart bodies, damaged and cut up: the parser, and whole requests with attachments',
  caseEvents: 100,
  smokeEvents: 600,
  hangMs: 10_000,
  rarePaths: [
    'brokenBodies',
    'damagedButWhole',
    'refusedRequests',
    'storedWhole',
    'storedDamaged',
    'readBack',
  ],
  open: async () => {
    const server = await startTestServer()
    return { play: (script) => play(server, script), close: () => server.stop() }
  },
}
