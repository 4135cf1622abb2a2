/** A list that is given up at any moment leaves its thread to others. */
import t from 'tap'
import { designOf, json, scripting } from '../support/scripting.ts'

t.setTimeout(60_000)

const LISTS = {
  endless: 'function () { var row; while (row = getRow()) send(row.id) }',
  short: 'function () { return "short" }',
}

for (const moment of [
  'before it has begun',
  'at its beginning',
  'while rows are on their way',
  'between two rows',
]) {
  t.test(moment, async (t) => {
    const room = scripting({ threads: 1, mostThreads: 1 })
    t.teardown(() => room.close())
    const design = designOf({ lists: LISTS })
    const nextRows = async (): Promise<Buffer[]> => [json({ id: 'x'.repeat(100_000) })]
    const gone = new AbortController()
    const list = room.list(design, 'endless', {}, {}, nextRows, { signal: gone.signal })
    const next = (): Promise<unknown> => list.next().catch(() => undefined)
    if (moment === 'before it has begun') {
      const pending = next()
      setImmediate(() => gone.abort())
      await pending
    } else {
      await next()
      if (moment === 'between two rows') await next()
      const pending = moment === 'while rows are on their way' ? next() : undefined
      gone.abort()
      await pending
    }
    await list.return()
    const texts: unknown[] = []
    for await (const step of room.list(design, 'short', {}, {}, nextRows)) texts.push(step)
    t.equal(texts.at(-1), 'short')
  })
}
