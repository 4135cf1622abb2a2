/**
 * A document with 50,000 attachments held the event loop for half a minute: each stub was looked for in the list of all,
 * each part that followed too, and what was done for one short attachment after the other never let others in between.
 */
import t from 'tap'
import type { AttachmentEdit, AttachmentInfo } from '../../src/database/layout/attachment-records.ts'
import { resolveStubs } from '../../src/database/write/attachment-merge.ts'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { steppedTime } from '../support/stepped-time.ts'

const server = await startTestServer({ threads: 0 })
t.teardown(() => server.stop())
const MANY = 2000
/** More than a document may have. */
const TOO_MANY = 16_000

function attachments<T>(count: number, make: (n: number) => T): Record<string, T> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`a${n}`, make(n)]))
}

t.test('a stub is found without looking at the others', async (t) => {
  let looks = 0
  const parent = Array.from({ length: MANY }, (_, n) => {
    const info = { revpos: 1, type: 'a/b' }
    return Object.defineProperty(info, 'name', {
      get: () => {
        looks += 1
        return `a${n}`
      },
    }) as AttachmentInfo
  })
  const stubs = Array.from(
    { length: MANY },
    (_, n): AttachmentEdit => ({ kind: 'stub', name: `a${MANY - 1 - n}`, revpos: 1 }),
  )
  t.equal(resolveStubs('d', stubs, parent).length, MANY)
  t.ok(looks <= 2 * MANY, `${looks} looks`)
})

t.test('others come in between, whatever is done with many attachments', async (t) => {
  await ask(server, 'PUT /db')
  const time = steppedTime(t)
  time.lookMs = 1
  const inline = {
    _attachments: attachments(MANY, (n) => ({ data: Buffer.from(`${n}`).toString('base64') })),
  }
  const steps: [string, Sending, number?][] = [
    ['PUT /db/d', { json: inline }],
    ['GET /db/d?attachments=true', {}],
    ['GET /db/d?attachments=true', { headers: { accept: 'multipart/related' } }],
    ['GET /db/d?open_revs=all&atts_since=["9-x"]', {}],
    ['GET /db/_all_docs?include_docs=true&attachments=true', {}],
    ['POST /db/_bulk_docs', { json: { docs: [{ ...inline, _id: 'bulk' }] } }],
    ['PUT /db/follows', related(MANY)],
  ]
  for (const [line, sending] of steps) {
    time.looks = 0
    const { status } = await ask(server, line, sending)
    t.ok(status < 300, `${line}: ${status}`)
    t.ok(time.looks >= MANY, `${line}: ${time.looks} looks at the clock`)
  }
  const { json } = await ask(server, 'GET /db/follows')
  const [first, ...rest] = Object.keys((json as { _attachments: object })._attachments)
  t.equal(first, 'a0', 'parts that come in another order leave the order of the document')
  t.equal(rest.length, MANY - 1)
})

function related(count: number): Sending {
  const follows = attachments(count, () => ({ follows: true, length: 1, content_type: 'a/b' }))
  const parts = Object.keys(follows)
    .reverse()
    .map((name) => `\r\n--B\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\nx`)
  const head = `--B\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ _attachments: follows })}`
  return {
    body: `${head}${parts.join('')}\r\n--B--`,
    headers: { 'content-type': 'multipart/related; boundary=B' },
  }
}

t.test('there is a bound on the attachments of a document, and of a request', async (t) => {
  const stubs = attachments(TOO_MANY, () => ({ stub: true }))
  const tooLarge = { status: 413, json: { error: 'document_too_large' } }
  t.match(await ask(server, 'PUT /db/e', { json: { _attachments: stubs } }), tooLarge)
  t.match(await ask(server, 'PUT /db/e', related(TOO_MANY)), tooLarge)
  const bulk = { docs: [{ _id: 'e', _attachments: stubs }, { _id: 'f' }] }
  t.match(await ask(server, 'POST /db/_bulk_docs', { json: bulk }), tooLarge)
  const most = attachments(5000, () => ({ stub: true }))
  const docs = Array.from({ length: 14 }, (_, n) => ({ _id: `e${n}`, _attachments: most }))
  const request = await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
  t.match(request, { status: 413, json: { error: 'too_large' } })
  const long = {
    json: { _attachments: { a: { stub: true, content_type: 'x' }, ['n'.repeat(8_000_000)]: {} } },
  }
  t.match(await ask(server, 'PUT /db/e', long), tooLarge, 'names count')
})
