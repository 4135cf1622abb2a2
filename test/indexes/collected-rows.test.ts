/** Rows that are written where they are collected against the same rows put one by one. */
import t from 'tap'
import type { ViewsDefinition } from '../../src/indexes/api.ts'
import type { BatchDocument } from '../../src/indexes/batch.ts'
import { CollectedEntries } from '../../src/indexes/collected-entries.ts'
import { CollectedRows } from '../../src/indexes/collected-rows.ts'
import { IDS_TREE, orderOf } from '../../src/indexes/index-trees.ts'
import type { MadeRows } from '../../src/indexes/row-making.ts'
import { type RowTransaction, RowWriter } from '../../src/indexes/row-writer.ts'
import { arbitraryKey, jsonOf } from '../support/arbitrary-keys.ts'
import { viewsDefinition } from '../support/index-fixture.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const random = new Random(propertySeed(t))
const VALUES = [
  'null',
  '1',
  '-0.5',
  '1e+21',
  '"a"',
  '"\\u001f"',
  '"\\\\"',
  '{"a":[1,2]}',
  `"${'v'.repeat(300)}"`,
]

function definitionOf(trees: number, isPartitioned: boolean): ViewsDefinition {
  const definition = viewsDefinition({}, { isPartitioned })
  const ofTree = (_: unknown, tree: number) => ({ name: `v${tree}`, reduces: [], isRaw: tree === 1 })
  return { ...definition, trees: Array.from({ length: trees }, ofTree) }
}

function keyText(): string {
  const kind = random.int(12)
  if (kind === 0) return `"${'long '.repeat(random.int(30))}"`
  if (kind === 1) return `"${'x'.repeat(24_500 + random.int(200))}"`
  if (kind === 2) return '[1e+21,"\\n"]'
  return wellFormed(jsonOf(arbitraryKey(random)))
}

/** What comes out of the engine has no half of a surrogate pair. */
function wellFormed(json: string): string {
  return json.replace(/\\ud[0-9a-f]{3}/g, '\\ufffd')
}

function documentsOf(count: number, isPartitioned: boolean): BatchDocument[] {
  const partition = (): string => (isPartitioned ? `p${random.int(3)}:` : '')
  const name = (n: number): string => ['', 'ä', '\0\u0001', 'i'.repeat(300)][random.int(4)]! + String(n)
  return Array.from({ length: count }, (_, n) => ({ id: Buffer.from(partition() + name(n)), isNew: true }))
}

/** As the engine writes them. */
function sliceOf(count: number, trees: number, mostRows: number): MadeRows {
  let text = ''
  for (let document = 0; document < count; document++) {
    for (let tree = 0; tree < trees; tree++) {
      for (let row = random.int(mostRows + 1); row > 0; row--) {
        text += `${keyText()}\x01${random.pick(VALUES)}\x02`
      }
      text += '\x03'
    }
  }
  return { count, rows: Buffer.from(text) }
}

/** As fields are. */
function singleRows(count: number): MadeRows {
  const bounds = new Uint32Array(3 * count)
  const parts: Buffer[] = []
  let at = 0
  for (let document = 0; document < count; document++) {
    if (random.int(4) === 0) continue
    const [key, value] = [Buffer.from(`[${wellFormed(jsonOf(arbitraryKey(random)))}]`), Buffer.from('null')]
    bounds.set([at, at + key.length, at + key.length + value.length], 3 * document)
    at += key.length + value.length
    parts.push(key, value)
  }
  return { count, rows: Buffer.concat(parts), bounds }
}

function collectedBy(
  definition: ViewsDefinition,
  documents: readonly BatchDocument[],
  made: MadeRows,
  isDirect: boolean,
): Record<string, string[]> {
  const writer = new RowWriter(definition)
  const entries = new Map([IDS_TREE, ...writer.trees].map((name) => [name, new CollectedEntries(undefined)]))
  const trees = writer.trees.map((name) => entries.get(name)!)
  const orders = trees.map((_, tree) => orderOf(definition, tree))
  const tx: RowTransaction = {
    ...(isDirect && { collected: new CollectedRows(trees, orders, entries.get(IDS_TREE)!) }),
    get: () => undefined,
    put: (tree, key, value) => entries.get(tree)!.add(key, value),
    delete: () => {},
  }
  writer.putAll(tx, documents, 0, made)
  const found = [...entries].map(([name, of]) => [
    name,
    [...of.sorted()].map(({ key, value }) => `${key.toString('hex')} ${value.toString('hex')}`),
  ])
  for (const each of entries.values()) each.release()
  return Object.fromEntries(found) as Record<string, string[]>
}

for (const isPartitioned of [false, true]) {
  for (const [trees, mostRows] of [
    [1, 1],
    [3, 1],
    [2, 3],
  ] as const) {
    const definition = definitionOf(trees, isPartitioned)
    for (let round = 0; round < 20; round++) {
      const documents = documentsOf(20, isPartitioned)
      const made = sliceOf(documents.length, trees, mostRows)
      t.same(
        collectedBy(definition, documents, made, true),
        collectedBy(definition, documents, made, false),
        `${trees} trees, up to ${mostRows} rows`,
      )
    }
  }
  const definition = definitionOf(1, isPartitioned)
  const documents = documentsOf(200, isPartitioned)
  const made = singleRows(documents.length)
  t.same(
    collectedBy(definition, documents, made, true),
    collectedBy(definition, documents, made, false),
    'of fields',
  )
}
