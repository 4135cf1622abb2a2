/** Attachments are packed into CouchDB's bytes, and packing a long one holds up nothing and nobody. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { GzipThreads } from '../../src/workers/gzip.ts'
import { type Formula, formulaText } from '../support/formula-text.ts'
import { failure } from '../support/http-request.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const LEVEL = 8
const MEBIBYTE = 1024 * 1024
const threads = new GzipThreads({ threads: 1, memoryBytes: 64 * MEBIBYTE, idleMs: 100 })
t.teardown(() => threads.close())

async function* inPieces(bytes: Uint8Array, random: Random, most: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = random.int(most + 1)
    yield bytes.subarray(at, at + length)
    at += length
  }
}

async function packed(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of threads.pack(source, LEVEL)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

t.test('the digests that Apache CouchDB 3.5.2 gave', async (t) => {
  const path = new URL('../../../test/fixtures/gzip.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
    formula: Formula
    size: number
    seed: number
    bytes: number
    md5: string
  }[]
  const random = new Random(propertySeed(t))
  for (const { formula, size, seed, bytes, md5 } of vectors) {
    const text = formulaText(formula, size, seed)
    for (const most of [size + 1, 5000]) {
      const gzip = await packed(inPieces(text, random, most))
      t.equal(gzip.length, bytes, `${formula} ${size}`)
      t.equal(createHash('md5').update(gzip).digest('base64'), md5)
      t.equal(gzip.toString('hex', 0, 10), '1f8b0800000000000003', 'no time, no extra flags, system: Unix')
    }
  }
})

t.test('the pieces in which content comes do not matter', async (t) => {
  const seed = propertySeed(t)
  const random = new Random(seed)
  for (let round = 0; round < 30; round++) {
    const size = random.int(400_000)
    const noise = randomBytes(random.int(size + 1))
    const content = Buffer.concat([
      noise,
      formulaText('words', size - noise.length, round),
      noise.subarray(0, 50),
    ])
    const whole = await packed(inPieces(content, random, content.length))
    const pieces = await packed(inPieces(content, random, 1 + random.int(100_000)))
    t.ok(whole.equals(pieces), `seed ${seed}, round ${round}`)
    t.ok(gunzipSync(pieces).equals(content))
  }
})

t.test('a long one leaves the event loop free, and others come through beside it', async (t) => {
  const long = formulaText('lines', 2 * MEBIBYTE, 1)
  const seed = propertySeed(t)
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  const ended: string[] = []
  const work = packed(inPieces(long, new Random(seed), MEBIBYTE)).then((gzip) => {
    ended.push('long')
    return gzip
  })
  await packed(inPieces(long.subarray(0, 100_000), new Random(seed), 1000))
  ended.push('short')
  t.ok(gunzipSync(await work).equals(long))
  clearInterval(timer)
  t.same(ended, ['short', 'long'])
  t.ok(turns > 20, `${turns} turns`)
})

t.test('many short ones in a row give others their turn', async (t) => {
  let turns = 0
  let running = true
  const count = (): void => {
    turns += 1
    if (running) setImmediate(count)
  }
  setImmediate(count)
  const text = formulaText('words', 20_000, 1)
  for (let n = 0; n < 60; n++) await packed(inPieces(text, new Random(n), 20_000))
  running = false
  t.ok(turns >= 3, `${turns} turns`)
})

t.test('what ends a stream early ends that one alone', async (t) => {
  const text = formulaText('words', MEBIBYTE, 1)
  const failing = (async function* () {
    yield text
    throw new Error('the client went away')
  })()
  let returned = false
  const left = (async function* () {
    try {
      for (;;) yield text
    } finally {
      returned = true
    }
  })()
  const good = packed(inPieces(text, new Random(1), MEBIBYTE))
  await t.rejects(packed(failing), new Error('the client went away'))
  for await (const _chunk of threads.pack(left, LEVEL)) break
  t.ok(returned, 'its source was given back')
  t.ok(gunzipSync(await good).equals(text))
})

t.test('there is a bound on streams, and a thread that ends fails its own', async (t) => {
  const short = new GzipThreads({ threads: 1, memoryBytes: 64 * MEBIBYTE, idleMs: 100 }, 8)
  const text = formulaText('words', 100_000, 1)
  const gates: (() => void)[] = []
  const slow = async function* (): AsyncGenerator<Uint8Array> {
    yield text
    await new Promise<void>((resolve) => gates.push(resolve))
  }
  const drain = async (): Promise<void> => {
    for await (const _chunk of short.pack(slow(), LEVEL));
  }
  const running = Array.from({ length: 8 }, drain)
  const outcomes = Promise.allSettled(running)
  while (gates.length < 8) await new Promise((resolve) => setTimeout(resolve, 5))
  await t.rejects(drain(), failure({ status: 503, reason: 'Too many attachments are being compressed.' }))
  await short.close()
  for (const open of gates) open()
  for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { status: 503 } })
})
