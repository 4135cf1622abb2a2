/** MD5 of many messages at a time is what Node's is. */
import { deepStrictEqual } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { md5OfMany, PADDING_BYTES } from '../../src/database/revisions/md5.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

/** One behind the other, each with what lies between it and the one before. */
function hashesOf(messages: readonly Buffer[], gaps: readonly number[] = []): string[] {
  const starts: number[] = []
  const ends: number[] = []
  const parts: Buffer[] = []
  let at = 0
  for (const [number, message] of messages.entries()) {
    const gap = gaps[number] ?? 0
    starts.push(at + gap)
    ends.push(at + gap + message.length)
    parts.push(Buffer.alloc(gap, 1), message, Buffer.alloc(PADDING_BYTES, 0xff))
    at += gap + message.length + PADDING_BYTES
  }
  const hashes: string[] = []
  md5OfMany(Buffer.concat(parts), starts, ends, (number, hash) => {
    hashes[number] = hash.toString('hex')
  })
  return hashes
}

function wantedOf(messages: readonly Buffer[]): string[] {
  return messages.map((message) => createHash('md5').update(message).digest('hex'))
}

t.test('messages of RFC 1321', async (t) => {
  const texts = ['', 'a', 'abc', 'message digest', 'abcdefghijklmnopqrstuvwxyz', '1234567890'.repeat(8)]
  t.same(hashesOf(texts.map((text) => Buffer.from(text))), [
    'd41d8cd98f00b204e9800998ecf8427e',
    '0cc175b9c0f1b6a831c399e269772661',
    '900150983cd24fb0d6963f7d28e17f72',
    'f96b697d7cb7938d525a2f31aaf161d0',
    'c3fcd3d76192e4007dfb496cca67e13b',
    '57edf4a22be3c955ac49da2e2107b67a',
  ])
})

t.test('every length about the ends of blocks', async (t) => {
  const messages = Array.from({ length: 200 }, (_, length) => Buffer.alloc(length, length))
  t.same(hashesOf(messages), wantedOf(messages))
})

t.test('a short message behind a long one, which fill the memory', async (t) => {
  for (const length of [100_000, 129_500, 129_600, 129_700, 129_800, 129_900, 130_000, 131_000, 200_000]) {
    for (const behind of [0, 1, 120]) {
      const messages = [Buffer.alloc(length, 7), Buffer.alloc(behind, 9)]
      t.same(hashesOf(messages), wantedOf(messages), `${length} and ${behind} bytes`)
      messages.reverse()
      t.same(hashesOf(messages), wantedOf(messages), `${behind} and ${length} bytes`)
    }
  }
})

t.test('any messages', (t) => {
  const message = fc
    .tuple(fc.oneof(fc.nat(200), fc.nat(3000), fc.nat(60_000)), fc.nat(255))
    .map(([length, first]) => Buffer.from(Array.from({ length }, (_, at) => first + at * 7)))
  fc.assert(
    fc.property(fc.array(message, { maxLength: 19 }), fc.array(fc.nat(9)), (messages, gaps) => {
      deepStrictEqual(hashesOf(messages, gaps), wantedOf(messages))
    }),
    { seed, numRuns: 60 },
  )
  t.end()
})
