import t from 'tap'
import { boundaryOf, MultipartReader } from '../../src/documents/multipart-reader.ts'
import { failure } from '../support/http-request.ts'
import { multipartPieces } from '../support/multipart-pieces.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

async function* chunksOf(body: Buffer, sizes: () => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; ) {
    const size = Math.max(1, sizes())
    yield body.subarray(at, at + size)
    at += size
  }
}

interface Read {
  parts: { headers: Record<string, string>; body: string }[]
  error?: string
}

async function readAll(body: Buffer, boundary: string, sizes: () => number): Promise<Read> {
  const reader = new MultipartReader(chunksOf(body, sizes), boundary)
  const parts: Read['parts'] = []
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
    return { parts, error: (error as { error?: string }).error ?? String(error) }
  }
}

const whole = (): number => 1 << 20

t.test('boundaries of content types', async (t) => {
  t.equal(boundaryOf('multipart/related;boundary="abc123"'), 'abc123')
  t.equal(boundaryOf('multipart/related; type="application/json"; boundary=a/b'), 'a/b')
  t.equal(boundaryOf('multipart/related; BOUNDARY="a \\"b"'), 'a "b')
  t.throws(() => boundaryOf('multipart/related;'), failure({ status: 400 }))
  t.throws(() => boundaryOf(`multipart/related; boundary=${'x'.repeat(300)}`), failure({ status: 400 }))
})

t.test('parts, heads and what surrounds them', async (t) => {
  const body = Buffer.from(
    'preamble\r\n--b\r\nA: 1\r\nB-c:  two \r\n\r\none\r\n--b  \r\n\r\n\r\n--b\r\n\r\n--bx\r\n--b--epilogue\r\n--b\r\n',
  )
  t.same(await readAll(body, 'b', whole), {
    parts: [
      { headers: { a: '1', 'b-c': 'two' }, body: 'one' },
      { headers: {}, body: '' },
      { headers: {}, body: '--bx' },
    ],
  })
})

t.test('a part that nobody reads, or not to its end, is skipped', async (t) => {
  const body = Buffer.from('--b\r\n\r\nfirst part\r\n--b\r\n\r\nsecond\r\n--b\r\n\r\nthird\r\n--b--')
  const reader = new MultipartReader(
    chunksOf(body, () => 3),
    'b',
  )
  await reader.nextPart()
  const second = (await reader.nextPart())!
  for await (const chunk of second.body) {
    t.ok(chunk.length < 'second'.length)
    break
  }
  const third = (await reader.nextPart())!
  let text = ''
  for await (const chunk of third.body) text += chunk.toString()
  t.equal(text, 'third')
  t.equal(await reader.nextPart(), undefined)
  t.equal(await reader.nextPart(), undefined)
})

t.test('broken bodies end with an error, never with a wait', async (t) => {
  const good = '--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--'
  for (let end = 0; end < good.length; end++) {
    const { error } = await readAll(Buffer.from(good.slice(0, end)), 'b', whole)
    t.equal(error, 'bad_request', `cut at ${end}`)
  }
  const broken = [
    '--c\r\n\r\none\r\n--c--',
    `--b\r\nno header\r\n\r\none\r\n--b--`,
    `--b\r\n: x\r\n\r\none\r\n--b--`,
    `--b\r\nA: ${'x'.repeat(20_000)}\r\n\r\none\r\n--b--`,
  ]
  for (const body of broken) t.equal((await readAll(Buffer.from(body), 'b', () => 7)).error, 'bad_request')
})

t.test('any chunks give the same parts', async (t) => {
  const seed = propertySeed(t)
  const random = new Random(seed)
  for (let round = 0; round < 300; round++) {
    const boundary = random.pick(['b', '--b', 'abc123', 'a-a-a'])
    const pieces = multipartPieces(boundary)
    const content = (): string => {
      let text = ''
      for (let i = random.int(40); i > 0; i--) text += random.pick(pieces)
      // A delimiter by chance would end the part.
      return text.replaceAll(`\r\n--${boundary}`, '')
    }
    const parts = Array.from({ length: random.int(4) }, (_, n) => ({
      headers: n === 0 ? { 'x-n': String(n) } : {},
      body: content(),
    }))
    if (parts.some(({ body }) => body.includes(`\r\n--${boundary}`))) continue
    const text = parts
      .map(({ headers, body }) => {
        const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
        return `--${boundary}\r\n${head.join('')}\r\n${body}\r\n`
      })
      .join('')
    const body = Buffer.from(`${text}--${boundary}--`, 'latin1')
    const got = await readAll(body, boundary, () => random.int(9))
    if (parts.length === 0) t.same(got, { parts: [] }, `seed ${seed}, round ${round}`)
    else t.same(got, { parts }, `seed ${seed}, round ${round}`)
  }
})
