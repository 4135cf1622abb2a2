import t from 'tap'
import { canonicalize } from '../../src/json/documents.ts'

t.test('what a scan holds beside its text is bounded', async (t) => {
  const millions = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length))
  const named = Array.from({ length: 1024 * 1024 + 1 }, (_, i) => `"${i}":0`)
  const pairs = millions('{"a":1,"a":2},', 4_000_000)
  for (const [text, reason] of [
    [millions('[', 4_200_000), /levels are not supported/],
    [`{${named.join(',')}}`, /members are not supported/],
    [`[${pairs}0]`, /repeated names are not supported/],
  ] as const) {
    t.throws(() => canonicalize(Buffer.from(text)), { name: 'JsonSyntaxError', message: reason })
  }
  const run = canonicalize(Buffer.from(`{${millions('"a":1,', 4_000_000)}"a":2}`))
  t.equal(run.toString(), '{"a":2}', 'a run of one name is one')
})
