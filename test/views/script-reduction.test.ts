/** Reduces that are functions, in a sandbox. */
import t from 'tap'
import type { RowRange } from '../../src/indexes/api.ts'
import type { Reduced } from '../../src/views/reduction.ts'
import { scriptReduction } from '../../src/views/script-reduction.ts'
import { type MemoryRow, MemoryRows } from '../support/memory-rows.ts'
import { designOf, scripting } from '../support/scripting.ts'

const LIMIT = { mode: 'true', threshold: 5000, ratio: 2 } as const

const REDUCES = {
  sum: 'function (keys, values) { return sum(values) }',
  calls: 'function (keys, values, again) { return again ? {again: values} : {keys: keys, values: values} }',
  throws: 'function (keys, values) { throw({forbidden: "no"}) }',
  join: 'function (keys, values) { return values.join("") }',
  ids: 'function (keys, values, again) { return again ? sum(values) : keys.filter(function (k) { return k[0] !== +k[1].slice(1) }).length }',
  endless: 'function (keys, values) { for (;;) {} }',
}

t.test('reduces of functions', async (t) => {
  const sandboxes = scripting({ threads: 1, limits: { timeoutMs: 1500 } })
  t.teardown(() => sandboxes.close())
  const views = Object.fromEntries(
    Object.entries(REDUCES).map(([name, reduce]) => [name, { map: 'function () {}', reduce }]),
  )
  const design = designOf({ views })
  const reduce = async (
    tree: MemoryRows,
    view: string,
    ranges: RowRange[],
    { limit = LIMIT, signal = new AbortController().signal }: { limit?: object; signal?: AbortSignal } = {},
  ): Promise<unknown[]> => {
    const reduction = scriptReduction({
      tree,
      reduces: Object.values(REDUCES),
      scripting: sandboxes,
      design,
      view,
      limit: { ...LIMIT, ...limit },
    })
    const results = await reduction.reduce(
      ranges.map((range) => ({ range })),
      signal,
    )
    const read = (each: Reduced): unknown =>
      each instanceof Uint8Array ? (JSON.parse(Buffer.from(each).toString()) as unknown) : each
    return results.map(read)
  }
  const rowsOf = (rows: readonly MemoryRow[]): MemoryRows => new MemoryRows(rows, Object.values(REDUCES))
  const small = rowsOf([
    { key: 'a"é', id: 'd"é😀', value: { x: 1 } },
    { key: null, id: 'e', value: 2 },
  ])

  t.strictSame(await reduce(small, 'calls', [{}, small.rangeOf(null)]), [
    {
      again: [
        {
          keys: [
            [null, 'e'],
            ['a"é', 'd"é😀'],
          ],
          values: [2, { x: 1 }],
        },
      ],
    },
    { again: [{ keys: [[null, 'e']], values: [2] }] },
  ])
  t.strictSame(await reduce(small, 'throws', [{}]), [null])

  const count = 30_000
  const large = rowsOf(Array.from({ length: count }, (_, i) => ({ key: i, id: `d${i}`, value: i })))
  const third = large.rangeOf(count / 3).start
  t.strictSame(
    await reduce(large, 'sum', [{}, { end: third }, { start: third }]),
    [(count * (count - 1)) / 2, ((count / 3) * (count / 3 - 1)) / 2, undefined].map((sum, i, [all, low]) =>
      i === 2 ? all! - low! : sum,
    ),
    'in pieces',
  )
  t.strictSame(await reduce(large, 'ids', [{}]), [0], 'each row once, with its id')

  const texts = rowsOf(
    Array.from({ length: 2000 }, (_, i) => ({ key: i, id: `d${i}`, value: 'x'.repeat(1000) })),
  )
  const [overflow] = (await reduce(texts, 'join', [{}])) as { overflow: string }[]
  t.match(overflow!.overflow, /^Reduce output must shrink more rapidly/)
  const few = [{ end: texts.rangeOf(2).start }]
  t.strictSame(await reduce(texts, 'join', few), ['x'.repeat(2000)], 'short ones may be as long as all')
  t.strictSame(
    await reduce(texts, 'join', few, { limit: { threshold: 100 } }).then(([each]) => typeof each),
    'object',
  )
  const off = (await reduce(texts, 'join', [{}], { limit: { mode: 'false' } })) as string[]
  t.equal(off[0]!.length, 2_000_000, 'without a limit')

  await t.rejects(reduce(small, 'endless', [{}]), { name: 'ScriptError', kind: 'timeout' })
  const gone = new AbortController()
  setTimeout(() => gone.abort(), 20)
  await t.rejects(reduce(large, 'endless', [{}], { signal: gone.signal }))
})

t.test('rows that are what they were are not reduced again', async (t) => {
  const sandboxes = scripting({ threads: 1 })
  t.teardown(() => sandboxes.close())
  const reduce = 'function (keys, values) { return sum(values) }'
  const design = designOf({ views: { v: { map: 'function () {}', reduce } } })
  let sent = 0
  const counting = {
    reduce: (...args: Parameters<typeof sandboxes.reduce>) => {
      if (!args[3])
        for (const text of args[2]) sent += (JSON.parse(Buffer.from(text).toString()) as []).length
      return sandboxes.reduce(...args)
    },
  }
  const rows = Array.from({ length: 5000 }, (_, i) => ({ key: i, id: `d${i}`, value: i }))
  const sumOf = async (
    rows: readonly MemoryRow[],
    from?: number,
    to?: number,
  ): Promise<[unknown, number]> => {
    const tree = new MemoryRows(rows, ['_count', reduce])
    const limit = { mode: 'true', threshold: 5000, ratio: 2 } as const
    const reduction = scriptReduction({
      tree,
      reduces: ['_count', reduce],
      scripting: counting,
      design,
      view: 'v',
      limit,
    })
    const place = (key: number | undefined): Uint8Array | undefined =>
      key === undefined ? undefined : tree.rangeOf(key).start
    sent = 0
    const range = { start: place(from), end: place(to) }
    const [result] = await reduction.reduce([{ range }], new AbortController().signal)
    return [JSON.parse(Buffer.from(result as Uint8Array).toString()), sent]
  }
  const sum = (from: number, to: number): number => ((from + to - 1) * (to - from)) / 2

  t.strictSame(await sumOf(rows), [sum(0, 5000), 5000])
  const [, few] = await sumOf(rows)
  t.ok(few < 32, `${few} of 5000`)
  const [changed, some] = await sumOf(rows.with(2500, { key: 2500, id: 'd2500', value: 2501 }))
  t.equal(changed, sum(0, 5000) + 1)
  t.ok(some > 0 && some <= 1000, `${some} of 5000`)
  const [fewer, again] = await sumOf(rows.filter(({ key }) => key !== 1000))
  t.equal(fewer, sum(0, 5000) - 1000)
  t.ok(again > 0 && again <= 2000, `${again} of 5000`)
  t.equal((await sumOf(rows, 10, 3210))[0], sum(10, 3210), 'ranges that cut pieces')
  const [, last] = await sumOf(rows, 10, 3210)
  t.ok(last < 32, 'but for the few that a range may end with')
  t.equal((await sumOf(rows, 10, 3209))[0], sum(10, 3209))
  t.equal((await sumOf(rows, 10))[0], sum(10, 5000))
  t.equal((await sumOf(rows.slice(0, 3210), 10))[0], sum(10, 3210))
  t.equal((await sumOf([...rows, { key: -1, id: 'x', value: 7 }]))[0], sum(0, 5000) + 7)
})
