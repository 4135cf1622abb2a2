/**
 * A map of a file says of every byte what the file's format says of it: compared with the decoder that was written from
 * FORMAT.md alone.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import xxhash from 'xxhash-wasm'
import {
  type FileMap,
  type MapOptions,
  openInspection,
  openStore,
  PageCache,
  type Store,
} from '../../native-free-btree/index.ts'
import { ValueMarks } from '../../native-free-btree/store/map-columns.ts'
import { type DecodedFile, decodeFile } from '../support/format-decoder.ts'
import { decodeReference, type Page } from '../support/format-records.ts'
import { resolveReference, treesOfPages } from '../support/format-trees.ts'
import { Random } from '../support/random.ts'
import { seed } from '../support/test-run.ts'
import { patternBytes } from '../support/test-trees.ts'

const { h64Raw } = await xxhash()
const NO_FUNCTIONS = { comparators: {}, reducers: {} }
const TREES = { plain: {}, refs: { references: (value: Uint8Array) => [value] } }
const RECORD_HEADER = 5
const VALUE_HEADER = 13

const keyOf = (i: number): Buffer => Buffer.from(`key ${String(i).padStart(5, '0')}`)

/** Nodes of some levels, patches of them, values of every length, and much that is not there any more. */
async function fill(store: Store, random: Random): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const long = await store.appendStream(pieces(random.int(2_500_000)))
    await store.transact((tx) => {
      tx.put('refs', keyOf(9000 + (round % 3)), long)
      for (let i = 0; i < (round === 0 ? 3000 : 300); i++) {
        const at = round === 0 ? i : random.int(3000)
        tx.put('plain', keyOf(at), patternBytes(at + round, random.int(at % 50 === 0 ? 40_000 : 200)))
        if (at % 5 === 0) tx.put('refs', keyOf(at), tx.append(patternBytes(at, random.int(900))))
        if (at % 7 === 0) tx.delete('plain', keyOf(at + 1))
      }
      // Two entries name the same value.
      const shared = tx.append(patternBytes(round, 5000))
      tx.put('refs', keyOf(8000 + round), shared)
      tx.put('refs', keyOf(8100 + round), shared)
    })
    if (round % 2 === 1) await store.checkpoint()
  }
}

async function* pieces(length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < length; at += 100_000) yield patternBytes(at, Math.min(100_000, length - at))
}

function open(path: string): Promise<Store> {
  return openStore(path, { trees: TREES, cache: new PageCache(4 * 1024 * 1024) })
}

async function mapOf(path: string, options?: MapOptions): Promise<FileMap> {
  const inspection = await openInspection(path, { trees: TREES })
  try {
    return await inspection.map(options)
  } finally {
    await inspection.close()
  }
}

/** Bytes by kind over the whole file. */
function totals({ kinds, bytes }: FileMap): Record<string, number> {
  const sums = kinds.map((_, index) =>
    bytes.reduce((sum, b, at) => sum + (at % kinds.length === index ? b : 0), 0),
  )
  return Object.fromEntries(kinds.map(({ part, name }, index) => [`${part} ${name}`.trim(), sums[index]!]))
}

function sameSums(t: Test, map: FileMap, what: string): void {
  const { kinds, bytes, bucketBytes, fileBytes } = map
  const wrong: string[] = []
  for (let start = 0, at = 0; start < fileBytes; start += bucketBytes, at += kinds.length) {
    const sum = bytes.subarray(at, at + kinds.length).reduce((total, count) => total + count, 0)
    const length = Math.min(bucketBytes, fileBytes - start)
    if (Math.abs(sum - length) > 1e-6 * length) wrong.push(`${start}: ${sum} of ${length}`)
  }
  t.same(wrong, [], `${what}: every byte is of one kind`)
}

/** What the decoder says of a store that was closed, whose last checkpoint is all of it. */
function expectedTotals(file: DecodedFile): Record<string, number> {
  const checkpoint = file.checkpoints.at(-1)!
  const sums: Record<string, number> = {}
  const add = (kind: string, bytes: number): void => {
    sums[kind] = (sums[kind] ?? 0) + bytes
  }
  const liveValues = new Set<number>()
  const livePages = new Set<Page>()
  for (const tree of checkpoint.trees) {
    const seen = new Set<Page>()
    const [found] = treesOfPages(file, { ...checkpoint, trees: [tree] }, NO_FUNCTIONS, seen).values()
    for (const page of seen) add(`nodes ${tree.definition.name}`, RECORD_HEADER + page.length)
    const values = new Set<number>()
    for (const page of seen) {
      livePages.add(page)
      const { content } = page
      if (content.kind !== 'leaf') continue
      // Of patched leaves the base has cells that are gone: those are looked up by key.
      for (const { key, value } of content.cells) {
        const entry = found!.entries.find((one) => one.key.equals(key))
        if (!Buffer.isBuffer(value) && entry?.value.equals(resolveReference(file, value))) {
          resolveReference(file, value, values)
        }
      }
    }
    if (tree.definition.name === 'refs') {
      for (const { value } of found!.entries) resolveReference(file, decodeReference(value), values)
    } else {
      for (const page of seen) collectPatched(file, page, values)
    }
    for (const position of values) {
      liveValues.add(position)
      add(`values ${tree.definition.name}`, VALUE_HEADER + file.values.get(position)!.bytes.length)
    }
  }
  for (const page of file.pages.values())
    if (!livePages.has(page)) add('oldNodes', RECORD_HEADER + page.length)
  for (const [position, { bytes }] of file.values) {
    if (!liveValues.has(position)) add('oldValues', VALUE_HEADER + bytes.length)
  }
  return sums
}

/** References that a patch brings in. */
function collectPatched(file: DecodedFile, { content }: Page, values: Set<number>): void {
  if (content.kind !== 'patch' || content.changes.kind !== 'leaf') return
  for (const change of content.changes.list) {
    const cell = change.kind === 'in' ? change.cell : undefined
    const value =
      change.kind === 'payload'
        ? change.of({ key: Buffer.alloc(0), value: Buffer.alloc(0) }).value
        : cell?.value
    if (value !== undefined && !Buffer.isBuffer(value)) resolveReference(file, value, values)
  }
}

t.test('a map says what the format says', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await open(path)
  await fill(store, new Random(seed))
  const beside = await mapOf(path)
  sameSums(t, beside, 'beside the writer')
  t.ok(totals(beside)['log']! > 0, 'what the next opening replays')
  t.equal(beside.commit, store.commit)
  await store.close()

  const decoded = decodeFile(readFileSync(path), (bytes, by) => h64Raw(bytes, by))
  const map = await mapOf(path)
  sameSums(t, map, 'closed')
  const found = totals(map)
  const expected = expectedTotals(decoded)
  t.match(found, expected)
  t.ok(
    expected['oldNodes']! > 0 && expected['oldValues']! > 0 && map.trees['plain']!.patches > 0,
    'of all kinds',
  )
  t.equal(found['superblocks'], 8192)
  t.equal(found['headers'], decoded.groups.length * 128 + 168)
  t.equal(map.groups, decoded.groups.length)
  t.equal(map.damaged, 0)
  t.equal(map.trees['plain']!.unwritten, 0)

  const one = await mapOf(path, { buckets: 1 })
  t.equal(one.bytes.length, one.kinds.length)
  t.same(totals(one), found, 'whatever the number of stretches')
})

t.test('kinds of the caller, and what he does not tell of', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await open(path)
  await store.transact((tx) => {
    for (let i = 0; i < 20; i++) tx.put('refs', keyOf(i), tx.append(patternBytes(i, 1000)))
  })
  await store.close()
  let asked = 0
  const map = await mapOf(path, {
    values: (tree, reference) => {
      asked += 1
      return tree === 'refs' && asked % 2 === 0 ? [{ reference, kind: 'even' }] : []
    },
  })
  t.match(totals(map), { 'values even': 10 * 1013, oldValues: 10 * 1013 })
  await t.rejects(mapOf(path, { values: () => [{ reference: Buffer.alloc(3), kind: 'x' }] }), {
    code: 'INVALID_ARGUMENT',
  })
})

t.test('what a crash leaves, damage, and an end', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await open(path)
  await fill(store, new Random(seed))
  await store.close()
  appendFileSync(path, Buffer.alloc(777, 7))
  const map = await mapOf(path)
  t.equal(totals(map)['behind'], 777)
  sameSums(t, map, 'with a torn end')

  await t.rejects(mapOf(path, { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
  const progress: number[] = []
  await mapOf(path, { onProgress: (done, total) => progress.push(done / total) })
  t.equal(progress.at(-1), 1)
  t.ok(progress.length > 5 && progress.every((share, i) => i === 0 || share >= progress[i - 1]!), 'it rises')
  await t.rejects(mapOf(path, { buckets: 0 }), { code: 'INVALID_ARGUMENT' })
})

t.test('of large files short values are sampled, long ones are not', (t) => {
  const fileBytes = 64 * 1024 * 1024
  const marks = new ValueMarks(fileBytes, 256 * 1024)
  t.equal(marks.sampling, 4)
  let short = 0
  let long = 0
  for (let at = 0; at + 20_000 < fileBytes; at += 20_400) {
    long += 20_000 * marks.weigh(at, 20_000)
    short += 400 * marks.weigh(at + 20_000, 400)
    if (marks.weigh(at, 20_000) + marks.weigh(at + 20_000, 400) !== 0) t.fail('counted twice')
  }
  const rows = Math.floor((fileBytes - 20_000) / 20_400) + 1
  t.equal(long, rows * 20_000)
  t.ok(Math.abs(short / (rows * 400) - 1) < 0.1, `${short / (rows * 400)} of the short values`)
  t.end()
})
