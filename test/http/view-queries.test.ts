/** Queries at random, through random edits and deletions, beside a plain map and sort of the same documents. */
import t from 'tap'
import { compareValues } from '../../src/json/collation.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const DOCUMENTS = 40
const ROUNDS = 6
const QUERIES = 50
const KEYS = [
  null,
  false,
  true,
  -1,
  0,
  1,
  1.5,
  10,
  '',
  'a',
  'A',
  'b',
  'aa',
  'é',
  '日',
  [],
  [1],
  [1, 'a'],
  [1, 'b'],
  ['a'],
  ['a', 2],
  {},
  { a: 1 },
]

interface Row {
  id: string
  key: unknown
  value: number
}

interface Asked {
  startkey?: unknown
  endkey?: unknown
  key?: unknown
  keys?: unknown[]
  startkey_docid?: string
  endkey_docid?: string
  inclusive_end?: boolean
  descending?: boolean
  skip?: number
  limit?: number
  reduce?: boolean
  group?: boolean
  group_level?: number
}

t.setTimeout(300_000)

const seed = propertySeed(t)
const random = new Random(seed)
const server = await startTestServer()
t.teardown(() => server.stop())
const documents = new Map<string, { rev: string; rows: [unknown, number][] }>()

const MAP = 'function (doc) { doc.rows.forEach(function (row) { emit(row[0], row[1]) }) }'
const VIEWS = {
  plain: { map: MAP },
  sum: { map: MAP, reduce: '_sum' },
  own: { map: MAP, reduce: 'function (keys, values) { return sum(values) }' },
}

async function edit(): Promise<void> {
  const docs: object[] = []
  for (let n = 0; n < DOCUMENTS / 2; n++) {
    const _id = `d${random.int(DOCUMENTS)}`
    const { rev: _rev } = documents.get(_id) ?? {}
    if (docs.some((doc) => (doc as { _id: string })._id === _id)) continue
    if (_rev !== undefined && random.bool(0.3)) docs.push({ _id, _rev, _deleted: true })
    else docs.push({ _id, ...(_rev && { _rev }), rows: rowsAtRandom() })
  }
  const { json } = await ask(server, 'POST /random/_bulk_docs', { json: { docs } })
  for (const [at, { id, rev }] of (json as { id: string; rev: string }[]).entries()) {
    const { rows } = docs[at] as { rows?: [unknown, number][] }
    if (rows === undefined) documents.delete(id)
    else documents.set(id, { rev, rows })
  }
}

function rowsAtRandom(): [unknown, number][] {
  return Array.from({ length: random.int(4) }, () => [keyAtRandom(), random.int(100)])
}

function keyAtRandom(): unknown {
  return KEYS[random.int(KEYS.length)]
}

function allRows(): Row[] {
  const rows = [...documents].flatMap(([id, document]) =>
    document.rows.map(([key, value]): Row => ({ id, key, value })),
  )
  // Of one key and document by their values.
  return rows.sort(
    (a, b) =>
      compareValues(a.key, b.key) ||
      Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)) ||
      a.value - b.value,
  )
}

function queryAtRandom(): Asked {
  const asked: Asked = {}
  if (random.bool(0.2)) asked.key = keyAtRandom()
  else if (random.bool(0.25)) asked.keys = Array.from({ length: 2 + random.int(4) }, keyAtRandom)
  else {
    if (random.bool(0.6)) asked.startkey = keyAtRandom()
    if (random.bool(0.6)) asked.endkey = keyAtRandom()
  }
  if (random.bool(0.2)) asked.startkey_docid = `d${random.int(DOCUMENTS)}`
  if (random.bool(0.2)) asked.endkey_docid = `d${random.int(DOCUMENTS)}`
  if (random.bool(0.3)) asked.inclusive_end = random.bool(0.5)
  if (random.bool(0.4)) asked.descending = random.bool(0.8)
  if (random.bool(0.3)) asked.skip = random.int(8)
  if (random.bool(0.4)) asked.limit = random.int(12)
  return asked
}

/** Whether a row lies in the range, ids being looked at where keys are equal. */
function isIn(row: Row, asked: Asked, startKey: unknown, endKey: unknown): boolean {
  const turn = asked.descending === true ? -1 : 1
  const fromStart = startKey === undefined ? 1 : turn * compareValues(row.key, startKey)
  const fromEnd = endKey === undefined ? -1 : turn * compareValues(row.key, endKey)
  const { startkey_docid: startId, endkey_docid: endId, inclusive_end: isInclusive = true } = asked
  const ids = (other: string): number => turn * Buffer.compare(Buffer.from(row.id), Buffer.from(other))
  if (fromStart < 0 || (fromStart === 0 && startId !== undefined && ids(startId) < 0)) return false
  if (fromEnd !== 0) return fromEnd < 0
  if (endId === undefined) return isInclusive
  return isInclusive ? ids(endId) <= 0 : ids(endId) < 0
}

/** The ranges in the order of rows; undefined where they are the wrong way round. */
function select(asked: Asked): Row[][] | undefined {
  const { key, keys, startkey = key, endkey = key, descending = false } = asked
  const rows = inDirection(allRows(), descending)
  if (keys !== undefined) {
    return keys.map((each) => rows.filter((row) => isIn(row, asked, each, each)))
  }
  const bounded = startkey !== undefined && endkey !== undefined
  if (bounded && JSON.stringify(startkey) !== JSON.stringify(endkey)) {
    const order = compareValues(startkey, endkey)
    if (descending ? order < 0 : order > 0) return undefined
  }
  return [rows.filter((row) => isIn(row, asked, startkey, endkey))]
}

/** Rows of one key and document keep their order. */
function inDirection(rows: readonly Row[], descending: boolean): Row[] {
  if (!descending) return [...rows]
  const runs: Row[][] = []
  for (const row of rows) {
    const run = runs.at(-1)
    const isSame = run !== undefined && run[0]!.id === row.id && compareValues(run[0]!.key, row.key) === 0
    if (isSame) run.push(row)
    else runs.push([row])
  }
  return runs.reverse().flat()
}

function groupsOf(parts: readonly Row[][], { group, group_level: level, keys }: Asked): [unknown, number][] {
  const depth = level ?? (group === true ? Number.POSITIVE_INFINITY : 0)
  return parts.flatMap((rows, at) => {
    const groups: [unknown, number][] = []
    for (const { key, value } of rows) {
      const own = depth === 0 ? null : Array.isArray(key) && depth < key.length ? key.slice(0, depth) : key
      const last = groups.at(-1)
      if (last !== undefined && compareValues(last[0], own) === 0) last[1] += value
      else groups.push([keys === undefined ? own : keys[at], value])
    }
    return groups
  })
}

function cut<T>(items: readonly T[], { skip = 0, limit = Number.POSITIVE_INFINITY }: Asked): T[] {
  return items.slice(skip, skip + limit)
}

async function answer(view: string, asked: Asked): Promise<{ status: number; rows: unknown[] }> {
  const texts = Object.entries(asked).map(([name, value]) => {
    const text = name.endsWith('_docid') ? String(value) : JSON.stringify(value)
    return `${name}=${encodeURIComponent(text)}`
  })
  const path = `/random/_design/d/_view/${view}`
  const { status, json } = random.bool(0.5)
    ? await ask(server, `GET ${path}?${texts.join('&')}`)
    : await ask(server, `POST ${path}`, { json: asked })
  return { status, rows: (json as { rows?: unknown[] }).rows ?? [] }
}

t.test('queries at random', async (t) => {
  await ask(server, 'PUT /random')
  await ask(server, 'PUT /random/_design/d', { json: { views: VIEWS } })
  for (let round = 0; round < ROUNDS; round++) {
    await edit()
    for (let times = 0; times < QUERIES; times++) {
      const asked = queryAtRandom()
      const parts = select(asked)
      const view = random.pick(['plain', 'sum', 'own'])
      const isGrouped = view !== 'plain' && random.bool(0.7)
      if (isGrouped) {
        if (asked.keys !== undefined || random.bool(0.4)) asked.group = true
        else if (random.bool(0.7)) asked.group_level = random.int(4)
      } else if (view !== 'plain') asked.reduce = false
      const got = await answer(view, asked)
      const said = `${view} ${JSON.stringify(asked)}`
      if (parts === undefined) {
        t.equal(got.status, 400, said)
        continue
      }
      // The order of keys is that of the request, and only rows turn round.
      const turned = asked.keys !== undefined && asked.descending === true && !isGrouped
      const expected = isGrouped
        ? cut(groupsOf(parts, asked), asked).map(([key, value]) => ({ key, value }))
        : cut((turned ? [...parts].reverse() : parts).flat(), asked)
      t.same(got, { status: 200, rows: expected }, said)
    }
  }
})
