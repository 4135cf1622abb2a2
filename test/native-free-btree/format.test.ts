/**
 * FORMAT.md, the committed files and the engine agree: a decoder written from the text alone accounts for
 * every byte, its trees are those that the engine reads, and the engine still writes the same bytes.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import xxhash from 'xxhash-wasm'
import {
  type FileSystem,
  nodeFileSystem,
  openStore,
  type Store,
  type TreeOptions,
} from '../../native-free-btree/index.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../native-free-btree/write/checkpoint.ts'
import { FormatError } from '../support/format-bytes.ts'
import { type DecodedFile, decodeFile } from '../support/format-decoder.ts'
import { decodeReference, type FileRecord, type Page } from '../support/format-records.ts'
import {
  type Functions,
  replay,
  resolveReference,
  type Trees,
  treesOfFile,
  treesOfPages,
} from '../support/format-trees.ts'
import {
  byLength,
  CLOSED_FIXTURE,
  FIXTURE_TREES,
  LATER_TREES,
  makeFixtures,
  noLock,
  UNCLOSED_FIXTURE,
  valueLengths,
} from '../support/make-format-fixture.ts'

const { h64Raw } = await xxhash()
const hash64 = (bytes: Uint8Array, seed: bigint): bigint => h64Raw(bytes, seed)

const FUNCTIONS: Functions = {
  comparators: { [byLength.name]: byLength.compare },
  reducers: { [valueLengths.name]: valueLengths },
}

/** Files that can be read and not synced. */
const withoutSync: FileSystem = {
  ...nodeFileSystem,
  async open(path, mode) {
    const file = await nodeFileSystem.open(path, mode)
    return {
      path,
      size: () => file.size(),
      isAt: (place) => file.isAt(place),
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      write: (source, position) => file.write(source, position),
      sync: () => Promise.reject(new Error('no sync')),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    }
  },
}

const FIXTURES: { name: string; trees: Record<string, TreeOptions> }[] = [
  { name: CLOSED_FIXTURE, trees: LATER_TREES },
  { name: UNCLOSED_FIXTURE, trees: FIXTURE_TREES },
]

function fixturePath(name: string): string {
  return join(import.meta.dirname, '../../../test/fixtures', name)
}

function readFixture(name: string): Buffer {
  return readFileSync(fixturePath(name))
}

/** Entries by tree name, bytes in hex. */
type Contents = Record<string, [string, string][]>

function contentsOf(trees: Trees): Contents {
  const named = [...trees.values()].map(({ definition, entries }) => [
    definition.name,
    entries.map(({ key, value }) => [key.toString('hex'), value.toString('hex')]),
  ])
  return Object.fromEntries(named)
}

/** A checkpoint may name a tree whose tree record follows the commit that it froze: an empty one. */
function withoutEmpty(trees: Trees): Contents {
  return contentsOf(new Map([...trees].filter(([, { entries }]) => entries.length > 0)))
}

/** What a reader without a lock may see: the commits that some durableEnd covers. */
function vouchedContents(file: DecodedFile): Contents {
  const ends = [...file.superblocks, ...file.groups].map(({ durableEnd }) => durableEnd)
  const end = Math.max(...ends)
  const commits = file.groups.filter(({ type, position }) => type === 'commit' && position < end)
  const trees: Trees = new Map()
  replay(file, trees, 0, FUNCTIONS, commits.at(-1)!.commit)
  return contentsOf(trees)
}

function contentsOfStore(store: Store, names: string[]): Contents {
  const contents: Contents = {}
  const snapshot = store.snapshot()
  for (const name of names) {
    const entries: [string, string][] = []
    const cursor = snapshot.tree(name).cursor()
    while (cursor.next()) entries.push([cursor.key().toString('hex'), cursor.value().toString('hex')])
    contents[name] = entries
  }
  snapshot.close()
  return contents
}

/** Every value that an operation, an index or a value of the tree `files` names. */
function namedValues(file: DecodedFile): Set<number> {
  const named = new Set<number>()
  const files = [...treesOfFile(file, FUNCTIONS).values()].find(
    ({ definition }) => definition.name === 'files',
  )
  for (const { records } of file.groups) {
    for (const record of records) {
      if (record.type !== 'put') continue
      const { value } = record.cell
      if (!Buffer.isBuffer(value)) resolveReference(file, value, named)
      else if (record.tree === files?.definition.id) resolveReference(file, decodeReference(value), named)
    }
  }
  return named
}

function recordsOf<T extends FileRecord['type']>(file: DecodedFile, type: T) {
  const records = file.groups.flatMap((group) => group.records)
  return records.filter((record): record is Extract<FileRecord, { type: T }> => record.type === type)
}

for (const { name, trees } of FIXTURES) {
  t.test(`${name}: every byte belongs to one field, and the trees are what the engine reads`, async (t) => {
    const bytes = readFixture(name)
    const file = decodeFile(bytes, hash64)
    t.same(file.unclaimed, [])

    const replayed: Trees = new Map()
    replay(file, replayed, 0, FUNCTIONS)
    const expected = contentsOf(replayed)
    t.same(contentsOf(treesOfFile(file, FUNCTIONS)), expected, 'last checkpoint and the groups behind it')

    const reached = new Set<Page>()
    for (const checkpoint of file.checkpoints) {
      const frozen: Trees = new Map()
      replay(file, frozen, 0, FUNCTIONS, checkpoint.frozenCommit)
      const pages = treesOfPages(file, checkpoint, FUNCTIONS, reached)
      t.same(withoutEmpty(pages), withoutEmpty(frozen), `pages of the checkpoint at ${checkpoint.position}`)
    }
    const finished = file.checkpoints.at(-1)!.position
    const orphans = [...file.pages.values()].filter((page) => page.position < finished && !reached.has(page))
    t.same(orphans, [], 'no page of a finished checkpoint is out of reach')
    t.same([...file.values.keys()].sort(), [...namedValues(file)].sort(), 'no value without a name')

    const path = join(t.testdir(), 'store')
    copyFileSync(fixturePath(name), path)
    const reader = await openStore(path, { readOnly: true, trees })
    t.same(contentsOfStore(reader, Object.keys(trees)), expected, 'the engine beside a writer')
    await reader.close()
    const limited = await openStore(path, { readOnly: true, trees, fileSystem: withoutSync })
    t.same(contentsOfStore(limited, Object.keys(trees)), vouchedContents(file), 'what the file vouches for')
    await limited.close()
    const store = await openStore(path, { lock: noLock, trees })
    t.equal(store.uuid, file.genesis.uuid)
    t.equal(store.commit, file.groups.at(-1)!.commit)
    t.equal(store.recovery.cutBytes, 0)
    t.equal(store.recovery.badSuperblocks, 0)
    t.same(contentsOfStore(store, Object.keys(trees)), expected, 'the engine')
    for (const { key, value } of treeNamed(replayed, 'files')) {
      const held = resolveReference(file, decodeReference(value))
      t.equal(Buffer.compare(store.read(value), held), 0, `what ${key} refers to`)
    }
    t.same((await store.check()).problems, [])
    await store.transact((tx) => tx.put('words', Buffer.from('later'), Buffer.from('on')))
    await store.checkpoint()
    await store.close()
    const written = decodeFile(readFileSync(path), hash64)
    t.same(written.unclaimed, [], 'what this version appends to it')
    const later = contentsOf(treesOfFile(written, FUNCTIONS))
    t.same(contentsOf(treesOfPages(written, written.checkpoints.at(-1)!, FUNCTIONS)), later, 'pages alone')
  })
}

function treeNamed(trees: Trees, name: string) {
  const tree = [...trees.values()].find(({ definition }) => definition.name === name)
  return tree?.entries ?? []
}

t.test('the fixtures hold one of everything', async (t) => {
  const file = decodeFile(readFixture(CLOSED_FIXTURE), hash64)
  const unclosed = decodeFile(readFixture(UNCLOSED_FIXTURE), hash64)
  const pages = [...file.pages.values()]
  const puts = recordsOf(file, 'put')
  const values = puts.map(({ cell }) => cell.value)
  t.ok(recordsOf(file, 'delete').length > 0)
  t.ok(values.some((value) => !Buffer.isBuffer(value)))
  t.ok(values.some((value) => Buffer.isBuffer(value) && value.length === 0))
  t.ok(values.some((value) => Buffer.isBuffer(value) && value.length === 256))
  t.ok(puts.some(({ cell }) => cell.key.length === 0))
  t.ok(puts.some(({ cell }) => cell.key.length === 65_536))
  t.ok(
    recordsOf(file, 'index').some(({ bytes }) => bytes.length > 16),
    'a value in several chunks',
  )
  t.ok(recordsOf(file, 'value').some(({ bytes }) => bytes.length === 0))
  t.same(new Set(file.groups.map(({ type }) => type)), new Set(['commit', 'chunk']))
  t.ok(pages.some(({ content }) => content.kind === 'inner'))
  t.ok(
    pages.some(({ length }) => length > 65_536),
    'a page with wide slots',
  )
  t.ok(pages.some(({ content }) => content.kind === 'inner' && content.cells[0]!.child.reduction.length > 0))
  for (const kind of ['leaf', 'inner']) {
    t.ok(
      pages.some(({ content }) => content.kind === 'patch' && content.changes.kind === kind),
      `a patch of a page of kind ${kind}`,
    )
  }
  const changes = pages.flatMap(({ content }) => {
    return content.kind === 'patch' && content.changes.kind === 'leaf' ? content.changes.list : []
  })
  t.same(new Set(changes.map(({ kind }) => kind)), new Set(['out', 'in', 'payload']), 'in patches of leaves')
  t.ok(file.checkpoints.some(({ trees }) => trees.some(({ root }) => root === undefined)))
  t.ok(file.checkpoints.some(({ position, replayPosition }) => position - replayPosition > 4000))
  t.ok(file.checkpoints.at(-1)!.position < file.groups.at(-1)!.position, 'groups behind the last checkpoint')
  t.same(new Set(file.groups.map(({ generation }) => generation)), new Set([1, 2]))
  t.same(
    file.superblocks.map(({ closed }) => closed),
    [true, true],
  )
  t.same(
    unclosed.superblocks.map(({ closed }) => closed),
    [false, false],
  )
  t.equal(unclosed.groups.at(-1)!.records.at(-1)!.type, 'node', 'a checkpoint that was not finished')
})

t.test('the writer still writes the same bytes', async (t) => {
  const folder = t.testdir()
  await makeFixtures(folder)
  for (const { name } of FIXTURES) {
    const same = readFileSync(join(folder, name)).equals(readFixture(name))
    t.ok(
      same,
      `${name}: the format is final; files of another make are kept beside these, which stay readable`,
    )
  }
})

t.test(
  'a commit of more than 4 MiB is written in parts, which do not name the checkpoint that it completes',
  async (t) => {
    const path = join(t.testdir(), 'store')
    const store = await openStore(path, { lock: noLock, trees: FIXTURE_TREES, checkpointLogBytes: 8192 })
    for (const round of [1, 2]) {
      await store.transact((tx) =>
        tx.put('sized', Buffer.alloc(9000, round), Buffer.from('one more checkpoint')),
      )
    }
    await store.transact((tx) => {
      for (let i = 0; i < 11; i++) tx.put('words', Buffer.from(`long-${i}`), Buffer.alloc(900_000, i))
      tx.put('measured', Buffer.from('one'), Buffer.from('more'))
    })
    const bytes = readFileSync(path)
    await store.close()
    for (const image of [bytes, readFileSync(path)]) {
      const file = decodeFile(image, hash64)
      t.same(file.unclaimed, [])
      t.ok(file.groups.filter(({ type }) => type === 'part').length >= 2)
      const whole = file.groups.find(({ type, parts }) => type === 'commit' && parts >= 2)!
      const part = file.groups.find(({ type }) => type === 'part')!
      t.not(part.checkpoint.position, 0)
      t.ok(whole.checkpoint.position > whole.position, 'completed in the last group of the commit')
      const words = treeNamed(treesOfFile(file, FUNCTIONS), 'words')
      t.equal(words.length, 11)
      t.ok(
        words.every(
          ({ value }, i) => value.length === 900_000 && value[0] === Number(`${words[i]!.key}`.slice(5)),
        ),
      )
    }
  },
)

t.test('the decoder notices each changed byte', async (t) => {
  const bytes = readFixture(UNCLOSED_FIXTURE)
  const missed: number[] = []
  for (let at = 0; at < bytes.length; at += at < 1024 ? 1 : 211) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 0x10
    try {
      decodeFile(changed, hash64)
      missed.push(at)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
    }
  }
  t.same(missed, [])
})

/** `bytes` with a number of some slots changed, their hashes made right again. */
function withSlots(bytes: Buffer, change: (slot: Buffer) => void, slots: readonly number[]): Buffer {
  const changed = Buffer.from(bytes)
  for (const slot of slots) {
    const block = changed.subarray(slot * 4096, slot * 4096 + 512)
    change(block)
    block.writeBigUInt64LE(hash64(block.subarray(0, 504), 0n), 504)
  }
  return changed
}

/** Writes `bytes` as the file of a store and opens it. */
async function opened(path: string, bytes: Buffer, readOnly: boolean): Promise<Store> {
  writeFileSync(path, bytes)
  return openStore(path, { lock: noLock, trees: LATER_TREES, readOnly })
}

t.test('a file of another version, or with features that are not known, is refused', async (t) => {
  const path = join(t.testdir(), 'store')
  const bytes = readFixture(CLOSED_FIXTURE)
  for (const [what, change] of [
    ['version 0', (slot: Buffer) => slot.writeUInt16LE(0, 8)],
    ['version 2', (slot: Buffer) => slot.writeUInt16LE(2, 8)],
    ['draft 2', (slot: Buffer) => slot.writeUInt16LE(2, 10)],
    ['a feature', (slot: Buffer) => slot.writeUInt32LE(1, 128)],
    ['the last feature', (slot: Buffer) => slot.writeUInt32LE(2 ** 31, 128)],
  ] as const) {
    for (const slots of [[0, 1], [0], [1]]) {
      const changed = withSlots(bytes, change, slots)
      for (const readOnly of [true, false]) {
        const refused = { code: 'UNSUPPORTED_VERSION' }
        await t.rejects(
          opened(path, changed, readOnly),
          refused,
          `${what} in ${slots}, read only ${readOnly}`,
        )
      }
      t.ok(readFileSync(path).equals(changed), 'and left as it was')
    }
  }
})

t.test('a file of a draft is refused with the command that moves what is in it', async (t) => {
  const path = join(t.testdir(), 'store')
  const draft = readFixture('store-v1-draft3-unclosed.nfb')
  const refused = { code: 'UNSUPPORTED_VERSION', message: /draft 3 .* davenport migrate --all SOURCE TARGET/ }
  for (const readOnly of [true, false]) {
    await t.rejects(opened(path, draft, readOnly), refused)
    await t.rejects(opened(path, Buffer.from(draft).fill(0, 0, 8192), readOnly), refused, 'both slots lost')
  }
})

t.test('with a feature that only writers need to know a file is read, and not written', async (t) => {
  const path = join(t.testdir(), 'store')
  const changed = withSlots(readFixture(CLOSED_FIXTURE), (slot) => slot.writeUInt32LE(4, 132), [0, 1])
  const reader = await opened(path, changed, true)
  t.ok(reader.stats().trees['words']!.count > 0)
  await reader.close()
  await t.rejects(opened(path, changed, false), { code: 'UNSUPPORTED_VERSION' })
  t.ok(readFileSync(path).equals(changed), 'left as it was')
})

t.test('features that nobody needs to know stay in every superblock', async (t) => {
  const path = join(t.testdir(), 'store')
  const features = 0x90000001
  const changed = withSlots(readFixture(CLOSED_FIXTURE), (slot) => slot.writeUInt32LE(features, 136), [0, 1])
  const store = await opened(path, changed, false)
  await store.transact((tx) => tx.put('words', Buffer.from('later'), Buffer.from('on')))
  await store.checkpoint()
  await store.close()
  const written = readFileSync(path)
  t.notOk(written.subarray(0, 8192).equals(changed.subarray(0, 8192)))
  t.same([written.readUInt32LE(136), written.readUInt32LE(4096 + 136)], [features, features])
})

t.test('a whole group of an unknown kind is not taken for a torn write', async (t) => {
  const path = join(t.testdir(), 'store')
  const bytes = readFixture(UNCLOSED_FIXTURE)
  const { position } = decodeFile(bytes, hash64).groups.at(-1)!
  for (const [what, change] of [
    ['a type', (header: Buffer) => header.writeUInt8(5, 4)],
    ['a flag', (header: Buffer) => header.writeUInt8(1, 5)],
    ['a longer header', (header: Buffer) => header.writeUInt16LE(256, 6)],
  ] as const) {
    const changed = Buffer.from(bytes)
    const header = changed.subarray(position, position + 128)
    change(header)
    header.writeBigUInt64LE(hash64(header.subarray(0, 120), header.readBigUInt64LE(32)), 120)
    await t.rejects(
      opened(path, changed, false),
      { code: 'UNSUPPORTED_VERSION', details: { position } },
      what,
    )
    t.ok(readFileSync(path).equals(changed), 'nothing was cut off')
  }
})

t.test('attributes of a tree that nobody knows stay with it', (t) => {
  const definition = {
    id: 7,
    name: 'words',
    comparatorName: '',
    comparatorVersion: 0,
    reducerName: '',
    reducerVersion: 0,
    attributes: Buffer.from('of later times'),
  }
  const root = undefined
  const replay = { position: 9000, previousHash: 5n }
  const body = encodeCheckpoint({ frozenCommit: 3, replay, trees: [{ definition, root }] })
  t.same(decodeCheckpoint(Buffer.concat([body, Buffer.from('more')])).trees, [{ definition, root }])
  t.end()
})
