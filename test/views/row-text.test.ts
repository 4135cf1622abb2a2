/** Rows that are put together say what each of them says alone. */
import t from 'tap'
import { Gathered } from '../../src/documents/gathered.ts'
import type { RowCursor, RowReader } from '../../src/indexes/api.ts'
import { RowTextFiller, rowPieces } from '../../src/views/row-text.ts'
import { MemoryRows } from '../support/memory-rows.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const random = new Random(propertySeed(t))
const LENGTHS = [0, 1, 90, 100, 4000, 5000, 9000, 20_000]
const IDS = [
  'a',
  'plain id',
  '~',
  'with "quotes"',
  'back\\slash',
  'bell\u0007',
  'one\u0001',
  'ä',
  '\u007f',
  '',
]

function* walked(tree: RowReader): Generator<RowCursor | undefined> {
  const cursor = tree.cursor({})
  while (cursor.next()) {
    if (random.int(10) === 0) yield undefined
    yield cursor
  }
}

function texts(tree: RowReader): string {
  const out = new Gathered()
  const filler = new RowTextFiller(walked(tree))
  const taken: Buffer[] = []
  while (filler.fill(out)) if (out.isFull) taken.push(out.take())
  return Buffer.concat([...taken, out.take()]).toString()
}

function alone(tree: RowReader): string {
  const rows: string[] = []
  const cursor = tree.cursor({})
  while (cursor.next()) rows.push(rowPieces(cursor).map(String).join(''))
  return rows.join(',\r\n')
}

t.test('rows of all lengths, of ids of all kinds', async (t) => {
  for (let round = 0; round < 60; round++) {
    const rows = Array.from({ length: random.int(60) }, (_, i) => {
      const id = IDS[random.int(IDS.length)]! + (random.int(2) === 0 ? i : 'x'.repeat(random.int(300)))
      const length = round % 2 === 0 ? random.int(50) : LENGTHS[random.int(LENGTHS.length)]!
      return { key: [i, 'é'.repeat(random.int(5))], id, value: 'v'.repeat(length) }
    })
    const tree = new MemoryRows(rows)
    t.equal(texts(tree), alone(tree))
  }
})

t.test('a step is short, however many rows there are', async (t) => {
  const tree = new MemoryRows(Array.from({ length: 2000 }, (_, i) => ({ key: i, id: `${i}`, value: null })))
  const out = new Gathered()
  const filler = new RowTextFiller(walked(tree))
  const lengths: number[] = []
  while (filler.fill(out)) lengths.push(out.take().length)
  t.ok(lengths.length > 4)
  t.ok(lengths.every((length) => length < 32 * 1024))
})
