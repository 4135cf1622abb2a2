import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { ByteFormatError } from '../../src/base/byte-codec.ts'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { formatRevision, parseRevision } from '../../src/database/revisions/revision-id.ts'
import {
  pathOf,
  RevisionTree,
  type RevisionValue,
  revisionsInfo,
} from '../../src/database/revisions/revision-tree.ts'
import {
  decodeTree,
  decodeWinner,
  encodeTree,
  placeWinner,
  WinnerPlace,
} from '../../src/database/revisions/revision-tree-codec.ts'
import { CouchKeyTree } from '../support/couch-key-tree.ts'
import { dump, nameOf, namesOf, PlainRevisionTree } from '../support/plain-revision-tree.ts'
import { propertySeed } from '../support/property-seed.ts'
import { contradictoryEdits, type Edit, edits } from '../support/revision-history.ts'

const seed = propertySeed(t)
const value: RevisionValue = {
  deleted: false,
  seq: 1000,
  body: Buffer.alloc(16, 7),
  size: 1024,
  activeSize: 1100,
  attachments: null,
}
const tombstone: RevisionValue = { ...value, deleted: true }

function grown(edits: readonly Edit[]): RevisionTree {
  const tree = new RevisionTree()
  for (const { path, value } of edits) tree.merge(path, value)
  return tree
}

/** Brings all that `other` knows into `tree`. */
function mergeTree(tree: RevisionTree, other: RevisionTree): RevisionTree {
  for (const node of other.nodes) if (node.value !== null) tree.merge(pathOf(node, Infinity), node.value)
  return tree
}

function tree(...paths: [path: string, value?: RevisionValue][]): RevisionTree {
  const tree = new RevisionTree()
  for (const [path, stored] of paths) {
    const [head, ...rest] = path.split(' ')
    const { pos, id } = parseRevision(head)
    tree.merge({ start: pos, ids: [id, ...rest] }, stored ?? value)
  }
  return tree
}

function check(property: (edits: Edit[]) => void, numRuns = 500): void {
  fc.assert(fc.property(edits, property), { seed, numRuns })
}

t.test('merging agrees with the plain tree, and so do winner, leaves and paths', async () => {
  check((edits) => {
    const merged = new RevisionTree()
    const plain = new PlainRevisionTree()
    for (const { path, value } of edits) {
      const known = plain.values.has(namesOf(path)[0]!)
      const result = merged.merge(path, value)
      deepStrictEqual(
        { kind: result.kind, stored: result.stored },
        { kind: plain.merge(path, value), stored: !known },
      )
      deepStrictEqual(dump(merged), plain.dump())
    }
    const leaves = merged.leaves()
    deepStrictEqual(leaves.map(nameOf), plain.leaves())
    strictEqual(merged.winner(), leaves[0])
    for (const leaf of leaves) deepStrictEqual(namesOf(pathOf(leaf, Infinity)), plain.ancestry(nameOf(leaf)))
    for (const node of merged.nodes) {
      strictEqual(merged.find(node.pos, node.id), node)
      deepStrictEqual(
        merged.leafFinder()(node).map(nameOf),
        plain.leaves().filter((leaf) => plain.ancestry(leaf).includes(nameOf(node))),
      )
    }
  })
})

t.test("merging and stemming agree with CouchDB's rules", async (t) => {
  let compared = 0
  fc.assert(
    fc.property(edits, fc.integer({ min: 1, max: 8 }), fc.boolean(), (edits, limit, stems) => {
      const merged = new RevisionTree()
      const couch = new CouchKeyTree()
      for (const { path, value } of edits) {
        const before = dump(merged)
        const { changed } = merged.merge(path, value)
        deepStrictEqual(dump(merged).join() !== before.join(), changed)
        couch.merge(path, value.seq)
        // There a revision stands twice when its history comes in parts that a later path joins.
        if (couch.dump() === undefined) return
        if (stems) {
          const count = merged.nodes.length
          strictEqual(merged.stem(limit), merged.nodes.length < count)
          couch.stem(limit)
        }
        deepStrictEqual(dump(merged), couch.dump())
        strictEqual(
          merged.isLive,
          merged.leaves().some((leaf) => !leaf.value!.deleted),
        )
        compared += 1
      }
    }),
    { seed, numRuns: 1000 },
  )
  t.ok(compared > 1000, `${compared} trees were compared`)
})

t.test('a table of the nodes says what a walk over them says', async () => {
  fc.assert(
    fc.property(edits, edits, fc.integer({ min: 1, max: 8 }), (first, second, limit) => {
      const merged = grown(first)
      const look = (): void => {
        for (let again = 0; again < 20; again++) {
          for (const node of merged.nodes) strictEqual(merged.find(node.pos, node.id), node)
          strictEqual(merged.find(1000, 'x'), null)
        }
      }
      look()
      for (const { path, value } of second) merged.merge(path, value)
      look()
      const gone = [...merged.nodes]
      merged.stem(limit)
      look()
      for (const node of gone)
        if (!merged.nodes.includes(node)) strictEqual(merged.find(node.pos, node.id), null)
    }),
    { seed, numRuns: 100 },
  )
})

t.test('merging is commutative and idempotent', async () => {
  fc.assert(
    fc.property(
      edits.chain((edits) =>
        fc.tuple(fc.constant(edits), fc.shuffledSubarray(edits, { minLength: edits.length })),
      ),
      ([edits, shuffled]) => {
        const merged = grown(edits)
        deepStrictEqual(dump(grown(shuffled)), dump(merged))
        deepStrictEqual(nameOf(grown(shuffled).winner()!), nameOf(merged.winner()!))
        deepStrictEqual(dump(grown([...edits, ...shuffled])), dump(merged))
      },
    ),
    { seed, numRuns: 500 },
  )
})

t.test('merging trees is associative', async () => {
  fc.assert(
    fc.property(edits, fc.nat(), fc.nat(), (edits, i, j) => {
      const [first, second] = [i % edits.length, j % edits.length].sort((a, b) => a - b) as [number, number]
      const parts = () => [edits.slice(0, first), edits.slice(first, second), edits.slice(second)].map(grown)
      const [a, b, c] = parts() as [RevisionTree, RevisionTree, RevisionTree]
      const [x, y, z] = parts() as [RevisionTree, RevisionTree, RevisionTree]
      deepStrictEqual(dump(mergeTree(mergeTree(a, b), c)), dump(mergeTree(x, mergeTree(y, z))))
    }),
    { seed, numRuns: 500 },
  )
})

t.test('stemming and removing leaves agree with the plain tree', async () => {
  fc.assert(
    fc.property(edits, fc.integer({ min: 1, max: 8 }), fc.nat(), (edits, limit, which) => {
      const plain = new PlainRevisionTree()
      for (const { path, value } of edits) plain.merge(path, value)
      const stemmed = grown(edits)
      const leaves = stemmed.leaves().map(nameOf)
      stemmed.stem(limit)
      plain.stem(limit)
      deepStrictEqual(dump(stemmed), plain.dump())
      deepStrictEqual(stemmed.leaves().map(nameOf), leaves)
      const node = stemmed.nodes[which % stemmed.nodes.length]!
      strictEqual(stemmed.removeLeaf(node), plain.removeLeaf(nameOf(node)))
      deepStrictEqual(dump(stemmed), plain.dump())
    }),
    { seed, numRuns: 500 },
  )
})

t.test('trees and their winners come back from bytes', async () => {
  fc.assert(
    fc.property(edits, fc.maxSafeNat(), fc.integer({ min: 1, max: 30 }), (edits, updateSeq, limit) => {
      const before = grown(edits)
      before.stem(limit)
      before.updateSeq = Math.floor(updateSeq / 4)
      const bytes = encodeTree(before)
      const after = decodeTree(bytes)
      deepStrictEqual(dump(after), dump(before))
      strictEqual(after.updateSeq, before.updateSeq)
      for (const node of before.nodes) deepStrictEqual(after.find(node.pos, node.id)?.value, node.value)
      deepStrictEqual(encodeTree(after), bytes)
      const { pos, id, value } = before.winner()!
      const leafCount = before.leaves().length
      deepStrictEqual(decodeWinner(bytes), { pos, id, ...value, updateSeq: before.updateSeq, leafCount })
    }),
    { seed, numRuns: 500 },
  )
})

t.test('histories that contradict each other keep the tree in order, and every value', async () => {
  fc.assert(
    fc.property(contradictoryEdits, (edits) => {
      const merged = new RevisionTree()
      const values = new Map<string, RevisionValue>()
      for (const { path, value } of edits) {
        const name = namesOf(path)[0]!
        const { stored } = merged.merge(path, value)
        strictEqual(stored, !values.has(name))
        if (stored) values.set(name, value)
        dump(merged)
      }
      for (const node of merged.nodes) strictEqual(node.value ?? undefined, values.get(nameOf(node)))
      deepStrictEqual(dump(decodeTree(encodeTree(merged))), dump(merged))
      merged.stem(2)
      dump(merged)
    }),
    { seed, numRuns: 500 },
  )
})

t.test('damaged bytes are refused or read as another tree, and nothing else', async (t) => {
  let refused = 0
  fc.assert(
    fc.property(edits, fc.nat(), fc.nat(255), fc.boolean(), (edits, at, byte, cut) => {
      const bytes = encodeTree(grown(edits))
      const place = at % bytes.length
      bytes[place] = byte
      const damaged = cut ? bytes.subarray(0, place) : bytes
      for (const decode of [decodeTree, decodeWinner]) {
        try {
          decode(damaged)
        } catch (error) {
          ok(error instanceof ByteFormatError, String(error))
          refused++
        }
      }
    }),
    { seed, numRuns: 1000 },
  )
  t.ok(refused > 100)
  const endless = Buffer.from('0100010affffffffffff0f0000', 'hex')
  for (const decode of [decodeTree, decodeWinner]) t.throws(() => decode(endless), ByteFormatError)
  t.throws(() => decodeTree(Buffer.from([2, 0, 0])), { message: 'revision tree of format version 2' })
})

t.test('the bytes of one revision, one by one', async (t) => {
  const one = tree([`1-${'a1'.repeat(16)}`])
  one.updateSeq = 1001
  const wanted = [
    '01 e907 01', // version 1, update sequence 1001, one run
    '02 01 00', // up to generation 1, one revision, a root
    '10 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1', // ids of 16 bytes
    '01 00', // one value, at the leaf
    '02 02 8008 cc08', // with a body, sequence 1001 - 1, size 1024, active size 1100
    '10 07070707070707070707070707070707', // the body's reference
  ]
  t.equal(encodeTree(one).toString('hex'), wanted.join('').replaceAll(' ', ''))
  t.ok(encodeTree(one).length <= 60)
})

t.test('a thousand revisions take 16 bytes each', async (t) => {
  const ids = Array.from({ length: 1000 }, (_, i) => String(i).padStart(16, '0'))
  const long = new RevisionTree()
  long.merge({ start: 5000, ids }, value)
  t.ok(encodeTree(long).length <= 16_000 + 60, `${encodeTree(long).length} bytes`)
  t.same(pathOf(decodeTree(encodeTree(long)).winner()!, 1000), { start: 5000, ids })
})

t.test('winner, conflicts, deleted conflicts', async (t) => {
  const forked = tree(
    ['4-d c b a', tombstone],
    ['2-e a'],
    ['2-f a'],
    ['1-z', tombstone],
    ['3-k e a', tombstone],
  )
  t.equal(formatRevision(forked.winner()!), '2-f')
  t.same(forked.conflicts().map(formatRevision), [])
  t.same(forked.deletedConflicts().map(formatRevision), ['4-d', '3-k', '1-z'])
  const live = tree(['1-z'], ['2-b a'], ['2-c a'])
  t.equal(formatRevision(live.winner()!), '2-c')
  t.same(live.conflicts().map(formatRevision), ['2-b', '1-z'])
  t.equal(new RevisionTree().winner(), null)
})

t.test('missing revisions and possible ancestors, as recorded from CouchDB 3.5.2', async (t) => {
  const forked = tree(['3-c b a'], ['2-d a'])
  const missing = runAtOnce(forked.missing(['3-c', '2-b', '4-f', '1-e'].map(parseRevision)))
  t.same(missing.map(formatRevision), ['1-e', '4-f'])
  t.same(forked.possibleAncestors(missing).map(formatRevision), ['2-d', '3-c'])
  t.same(forked.possibleAncestors([parseRevision('2-x')]), [])
  t.same(runAtOnce(forked.missing(['9-x', '5-y', '3-z', '1-e'].map(parseRevision))).map(formatRevision), [
    '1-e',
    '9-x',
    '5-y',
    '3-z',
  ])
})

t.test('status of the revisions of a branch', async (t) => {
  const edited = tree(['1-a'], ['2-b a', tombstone], ['4-d c b a'])
  const info = (tree: RevisionTree) =>
    revisionsInfo(tree.winner()!).map(({ revision, status }) => `${formatRevision(revision)} ${status}`)
  t.same(info(edited), ['4-d available', '3-c missing', '2-b deleted', '1-a available'])
  for (const node of edited.nodes) if (node.children > 0) node.value = null
  t.same(info(edited), ['4-d available', '3-c missing', '2-b missing', '1-a missing'])
})

t.test('what was stemmed off comes back with a longer path, and joins trees', async (t) => {
  const parts = tree(['3-c'], ['2-x a'])
  t.equal(parts.leaves().length, 2)
  const merged = parts.merge({ start: 4, ids: ['d', 'c', 'b', 'a'] }, value)
  t.same(merged, {
    head: parts.find(4, 'd'),
    kind: 'new_leaf',
    stored: true,
    changed: true,
  })
  t.same(namesOf(pathOf(parts.find(4, 'd')!, 9)), ['4-64', '3-63', '2-62', '1-61'])
  t.same(namesOf(pathOf(parts.find(2, 'x')!, 9)), ['2-78', '1-61'])
  t.equal(parts.nodes.length, 5)
})

t.test('purging a leaf takes what only led to it', async (t) => {
  const forked = tree(['3-c b a'], ['2-d a'])
  t.notOk(forked.removeLeaf(parseRevision('2-b')), 'no leaf')
  t.notOk(forked.removeLeaf(parseRevision('9-b')))
  t.ok(forked.removeLeaf(parseRevision('3-c')))
  t.same(forked.nodes.map(formatRevision).sort(), ['1-a', '2-d'])
  t.ok(forked.removeLeaf(parseRevision('2-d')))
  t.same(forked.nodes, [])
})

t.test('winners with ids of the usual length come back from bytes, and from no fewer', async () => {
  const one = fc.record({
    deleted: fc.boolean(),
    changes: fc.integer({ min: 1, max: 1e6 }),
    size: fc.nat(1e9),
    hasAttachments: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), fc.nat(2 ** 40), (list, first) => {
      const tree = new RevisionTree([], first)
      list.forEach(({ deleted, changes, size, hasAttachments }, i) => {
        tree.updateSeq += changes
        const ids = Array.from({ length: i + 1 }, (_, k) => String.fromCharCode(i - k).repeat(16))
        const body = Buffer.alloc(i % 3 === 2 ? 17 : 16, i)
        const attachments = hasAttachments ? Buffer.alloc(5, i) : null
        const value = { deleted, seq: tree.updateSeq, body, size, activeSize: size >>> 1, attachments }
        tree.merge({ start: i + 1, ids }, value)
      })
      const { updateSeq } = tree
      const bytes = encodeTree(tree)
      const { pos, id, value } = tree.winner()!
      deepStrictEqual(decodeWinner(bytes), { pos, id, ...value, updateSeq, leafCount: 1 })
      const { bodyEnd, attachmentsStart, attachmentsEnd } = placeOf(bytes)
      for (let length = 0; length < Math.max(bodyEnd, attachmentsStart < 0 ? 0 : attachmentsEnd); length++) {
        throws(() => decodeWinner(bytes.subarray(0, length)), ByteFormatError)
      }
    }),
    { seed },
  )
})

function placeOf(bytes: Buffer): WinnerPlace {
  const place = new WinnerPlace()
  placeWinner(bytes, 0, bytes.length, place)
  return place
}
