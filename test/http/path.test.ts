import * as fc from 'fast-check'
import t from 'tap'
import { isUtf8 } from '../../src/documents/characters.ts'
import { decodeComponent, encodeComponent, parseTarget } from '../../src/http/request/path.ts'
import { endpointsOf, resolve } from '../../src/http/request/resolve.ts'
import { resources } from '../../src/http/routes/index.ts'

t.test('a target is split before it is decoded', async (t) => {
  const cases: [string, string[]][] = [
    ['/', []],
    ['//db//', ['db']],
    ['/db/a%2Fb', ['db', 'a/b']],
    ['/db/a%2fb/c', ['db', 'a/b', 'c']],
    ['/db/a+b', ['db', 'a b']],
    ['/db/a%2Bb', ['db', 'a+b']],
    ['/db/%C3%A9t%C3%A9', ['db', 'été']],
    ['/db/%F0%9F%98%80', ['db', '😀']],
    ['/db/a%00b', ['db', 'a\0b']],
    ['/db/..', ['db', '..']],
    ['/db/.', ['db', '.']],
    ['/db/a;b=c', ['db', 'a;b=c']],
    ['/db/q%3Fx?y=1', ['db', 'q?x']],
    ['http://host:1/db/a', ['db', 'a']],
    ['/db/a#fragment', ['db', 'a']],
    ['/db/\u00c3\u00a9', ['db', 'é']],
  ]
  for (const [target, segments] of cases) t.same(parseTarget(target).segments, segments, target)
})

t.test('a plus sign in a path may be one; in a query it is a space', async (t) => {
  const { segments, query } = parseTarget('/a+b/c%2Bd%20e?x=1+2', false)
  t.same([segments, query], [['a+b', 'c+d e'], [['x', '1 2']]])
})

t.test('a percent without two hex digits is malformed, wherever it stands', async (t) => {
  for (const target of ['/db/%', '/db/%2', '/db/%zz', '/db/a?x=%G0']) {
    t.equal(parseTarget(target).malformed, true, target)
  }
  t.equal(parseTarget('/db/%25').malformed, false)
})

t.test('a query keeps order and repetition', async (t) => {
  t.same(parseTarget('/a?x=1&y&x=a+b%26;z=&=q').query, [
    ['x', '1'],
    ['y', ''],
    ['x', 'a b&'],
    ['z', ''],
    ['', 'q'],
  ])
})

t.test('bytes that are no UTF-8 never turn into text that a client could send', async (t) => {
  for (const part of ['%FF', 'a%C3', '%ED%A0%80', '%C0%AF', '%F0%9F', '%80%80']) {
    t.equal(isUtf8(decodeComponent(part)), false, part)
  }
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const escaped = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
      let wanted: string | undefined
      try {
        wanted = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      } catch {}
      const text = decodeComponent(escaped)
      return wanted === undefined ? !isUtf8(text) : text === wanted
    }),
  )
})

t.test('what is encoded decodes to itself', async () => {
  await fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => decodeComponent(encodeComponent(text)) === text),
  )
})

t.test('every path leads to a route that exists', async () => {
  const endpoints = endpointsOf(resources)
  const routes = new Set<string>(resources.map(({ route }) => route))
  const known = ['_all_docs', '_design', '_local', '_local/', '_design/', 'queries', '_changes', '_bulk_docs']
  const part = fc.oneof(fc.constantFrom(...known, ...routes), fc.string({ minLength: 1, maxLength: 3 }))
  await fc.assert(
    fc.property(fc.constantFrom('GET', 'PUT'), fc.array(part, { maxLength: 5 }), (method, parts) =>
      routes.has(resolve(endpoints, method, parts).route),
    ),
    { numRuns: 3000 },
  )
})
