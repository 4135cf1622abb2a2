/** The short way of documents of one line of history answers and stores, byte for byte, what the general merge does. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Reference, Transaction } from '../../native-free-btree/index.ts'
import type { DocumentEdit } from '../../src/database/api/database.ts'
import { decodeInfoTree, encodeInfo } from '../../src/database/layout/document-info.ts'
import { TREES } from '../../src/database/layout/layout.ts'
import { LinearDocument } from '../../src/database/layout/linear-document.ts'
import { formatRevision } from '../../src/database/revisions/revision-id.ts'
import { RevisionTree } from '../../src/database/revisions/revision-tree.ts'
import { readyEdits } from '../../src/database/write/edits.ts'
import { type LinearOutcome, writeLinearEdit } from '../../src/database/write/linear-edit.ts'
import { AppendedBodies } from '../../src/database/write/turn-source.ts'
import { applyEdits, type UpdateContext } from '../../src/database/write/update.ts'
import { edit } from '../support/database-fixture.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

/** What transactions wrote, by tree and key, and how often the short way had which outcome. */
class Written implements Transaction {
  readonly trees = new Map<string, Map<string, Buffer>>()
  readonly outcomes = new Map<LinearOutcome, number>()
  #references = 0
  #seq: number
  readonly #isShort: boolean

  constructor(isShort: boolean, seq: number) {
    this.#isShort = isShort
    this.#seq = seq
  }

  #tree(name: string): Map<string, Buffer> {
    const tree = this.trees.get(name) ?? new Map<string, Buffer>()
    this.trees.set(name, tree)
    return tree
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.trees.get(tree)?.get(Buffer.from(key).toString('hex'))
  }

  getInto(tree: string, key: Uint8Array, target: Uint8Array): number {
    const value = this.get(tree, key)
    if (value !== undefined && value.length <= target.length) target.set(value)
    return value?.length ?? -1
  }

  put(tree: string, key: Uint8Array, value: Uint8Array): void {
    this.#tree(tree).set(Buffer.from(key).toString('hex'), Buffer.from(value))
  }

  delete(tree: string, key: Uint8Array): void {
    this.#tree(tree).delete(Buffer.from(key).toString('hex'))
  }

  append(value: Uint8Array): Reference {
    this.#references += 1
    const reference = Buffer.alloc(16, value.length)
    reference.writeUInt32LE(this.#references)
    return reference
  }

  get seq(): number {
    return this.#seq
  }

  /** As many changes of other documents. */
  pass(changes: number): void {
    this.#seq += changes
  }

  /** The results of the edits, as they would be told. */
  write(edits: readonly DocumentEdit[], newEdits: boolean, revsLimit: number): object {
    const context: UpdateContext = {
      tx: this,
      salt: 1n,
      revsLimit,
      nextSeq: () => this.#seq + 1,
      takeSeq: () => {
        this.#seq += 1
        return this.#seq
      },
      appended: new AppendedBodies(),
    }
    const shortWay: typeof writeLinearEdit = (...args) => {
      const outcome = this.#isShort ? writeLinearEdit(...args) : undefined
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
      return outcome
    }
    const ready = readyEdits(edits, { newEdits, partitioned: false, nowMs: 1000 })
    const { results, ...outcome } = applyEdits(context, ready, [], shortWay)
    const told = results.map((result) =>
      result.ok ? result : { ...result, refusal: [result.refusal.kind, result.refusal.message] },
    )
    return { ...outcome, told }
  }

  /** Leaves of the document that an edit can name. */
  revisionsOf(id: string): string[] {
    const value = this.get(TREES.id, Buffer.from(id))
    return value === undefined
      ? []
      : decodeInfoTree(value)
          .leaves()
          .map(formatRevision)
          .filter((rev) => !rev.startsWith('-'))
  }
}

interface Choice {
  id: string
  base: 'none' | 'leaf' | 'older' | 'unknown'
  pick: number
  deleted: boolean
  value: number
  expires: boolean
  /** Of a replicated edit: letters of its ids, newest first. */
  path: string
  start: number
}

const choice: fc.Arbitrary<Choice> = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'c', 'c', 'é', '_design/d', '_local/l'),
  base: fc.constantFrom('none', 'leaf', 'leaf', 'leaf', 'leaf', 'leaf', 'older', 'unknown'),
  pick: fc.nat(3),
  deleted: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  value: fc.nat(200),
  expires: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  path: fc.string({ unit: fc.constantFrom('a', 'b', '1', '?'), minLength: 1, maxLength: 5 }),
  start: fc.integer({ min: -1, max: 6 }),
})

const request = fc.record({
  newEdits: fc.integer({ min: 0, max: 7 }).map((n) => n > 0),
  revsLimit: fc.constantFrom(1000, 1000, 3, 1),
  choices: fc.array(choice, { minLength: 1, maxLength: 4 }),
})

/** Ids of 16 bytes, and such as are no hash. */
function idOf(letter: string): string {
  return letter === '?' ? 'odd' : letter.repeat(32)
}

function madeEdit(
  database: Written,
  all: Map<string, string[]>,
  one: Choice,
  newEdits: boolean,
): DocumentEdit {
  const { id, base, pick, deleted, value, expires, path, start } = one
  const leaves = database.revisionsOf(id)
  for (const leaf of leaves) all.set(id, [...(all.get(id) ?? []), leaf])
  const known = all.get(id) ?? []
  const rev = {
    none: undefined,
    leaf: leaves[pick % Math.max(1, leaves.length)],
    older: known[pick % Math.max(1, known.length)],
    unknown: pick === 0 ? '2-odd' : `${pick}-${'f'.repeat(32)}`,
  }[base]
  const body =
    id === '_design/d' && value % 2 === 0
      ? { validate_doc_update: value % 4 === 0 ? 'x' : 1 }
      : { text: 'x'.repeat(value) }
  const made = edit(id, body, {
    deleted,
    ...(rev === undefined ? {} : { rev }),
    ...(newEdits ? {} : { revisions: { start, ids: [...path].map(idOf) } }),
  })
  if (id === '_local/l' && made.rev !== undefined) delete made.rev
  return expires ? { ...made, expiry: { afterMs: value } } : made
}

t.test('random requests', (t) => {
  const outcomes = new Map<LinearOutcome, number>()
  const property = fc.property(
    fc.array(request, { minLength: 1, maxLength: 30 }),
    fc.constantFrom(0, 126, 127, 16_380, 2 ** 31 - 3, 2 ** 32 - 2, 2 ** 47),
    (requests, seq) => {
      const short = new Written(true, seq)
      const general = new Written(false, seq)
      const all = new Map<string, string[]>()
      for (const { newEdits, revsLimit, choices } of requests) {
        const edits = choices.map((one) => madeEdit(short, all, one, newEdits))
        deepStrictEqual(short.write(edits, newEdits, revsLimit), general.write(edits, newEdits, revsLimit))
        deepStrictEqual(short.trees, general.trees)
        deepStrictEqual(short.seq, general.seq)
      }
      for (const [outcome, count] of short.outcomes) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count)
      }
    },
  )
  fc.assert(property, { seed, numRuns: 300 })
  t.comment(JSON.stringify([...outcomes]))
  for (const outcome of ['inserted', 'updated', 'conflict', undefined] as const) {
    ok(outcomes.get(outcome)! > 20, `hardly ever ${outcome}`)
  }
  t.end()
})

t.test('long histories with changes of others between', (t) => {
  const changes = fc.oneof(
    fc.constantFrom(0, 0, 1, 31, 32, 63, 64, 1000, 65_000),
    fc.nat(9000),
    fc.nat(3_000_000),
  )
  const step = fc.record({
    changes,
    times: fc.integer({ min: 1, max: 30 }),
    deleted: fc.constantFrom(0, 0, 0, 1),
    // Sizes of one byte, of two, and of three.
    bytes: fc.constantFrom(0, 0, 200, 1000, 1000, 20_000),
  })
  const property = fc.property(
    fc.array(step, { minLength: 1, maxLength: 12 }),
    fc.constantFrom(3, 20, 1000),
    (steps, limit) => {
      const short = new Written(true, 0)
      const general = new Written(false, 0)
      for (const { changes, times, deleted, bytes } of steps) {
        const text = 'x'.repeat(bytes)
        for (let i = 0; i < times; i++) {
          const rev = short.revisionsOf('a')[0]
          const made = edit(
            'a',
            { i, text },
            { deleted: deleted === 1, ...(rev === undefined ? {} : { rev }) },
          )
          for (const each of [short, general]) {
            each.pass(changes)
            each.write([made], true, limit)
          }
          deepStrictEqual(short.trees, general.trees)
        }
      }
    },
  )
  // Numbers that get longer than three bytes.
  const step65 = { changes: 65_000, times: 40, deleted: 0, bytes: 1000 }
  fc.assert(property, { seed, numRuns: 100, examples: [[[step65], 1000]] })
  t.end()
})

t.test('bytes that are no document are left to the general merge', (t) => {
  const tree = new RevisionTree([], 9)
  const value = {
    deleted: false,
    seq: 5,
    body: Buffer.alloc(16, 1),
    size: 7,
    activeSize: 9,
    attachments: null,
  }
  const id = (letter: string): string => letter.repeat(16)
  tree.merge({ start: 1, ids: [id('a')] }, value)
  tree.merge({ start: 2, ids: [id('b'), id('a')] }, { ...value, attachments: Buffer.alloc(300, 2) })
  const whole = encodeInfo(tree, undefined)
  const document = new LinearDocument()
  const added = { pos: 3, id: { bytes: Buffer.alloc(16), at: 0 }, deleted: false, size: 1, activeSize: 1 }
  const isTaken = (bytes: Buffer): boolean => document.read(bytes) && document.beginUpdate(added, 10, 1000)
  ok(isTaken(whole))
  for (let length = 0; length < whole.length; length++)
    ok(!isTaken(whole.subarray(0, length)), `${length} bytes`)
  ok(!isTaken(Buffer.concat([whole, Buffer.alloc(1)])), 'and one byte')

  const plain = new RevisionTree([], 9)
  plain.merge({ start: 1, ids: [id('a')] }, value)
  plain.merge({ start: 2, ids: [id('b'), id('a')] }, value)
  const usual = encodeInfo(plain, undefined)
  const memory = Buffer.concat([usual, usual])
  const isTakenOf = (length: number): boolean =>
    document.read(memory, length) && document.beginUpdate(added, 10, 1000)
  ok(isTakenOf(usual.length), 'in longer memory')

  const long = new RevisionTree([], 100)
  for (let pos = 1; pos <= 12; pos++) {
    const ids = Array.from({ length: pos }, (_, i) => id(String.fromCharCode(97 + pos - i)))
    const ofDocument = { ...value, seq: 100_000 + 1000 * pos, size: 1000, activeSize: 1100 }
    long.merge({ start: pos, ids }, ofDocument)
  }
  long.updateSeq = 120_000
  const history = encodeInfo(long, undefined)
  const longer = Buffer.concat([history, history])
  const more = { ...added, pos: 13 }
  const isHistoryTaken = (bytes: Buffer, length: number): boolean =>
    document.read(bytes, length) && document.beginUpdate(more, 130_000, 1000)
  ok(isHistoryTaken(history, history.length) && isHistoryTaken(longer, history.length))
  for (let length = 0; length < history.length; length++) {
    ok(!isHistoryTaken(history.subarray(0, length), length), `${length} bytes of a long one`)
    ok(!isHistoryTaken(longer, length), `${length} bytes of a long one, in longer memory`)
  }
  ok(!isHistoryTaken(longer, history.length + 1), 'a long one and one byte')

  const placeOf = (bytes: Buffer, revsLimit = 1000): number =>
    document.read(bytes, bytes.length, true) ? document.leafReferenceAt(revsLimit) : -1
  const single = new RevisionTree([], 9)
  single.merge({ start: 2, ids: [id('b'), id('a')] }, value)
  const alone = encodeInfo(single, undefined)
  deepStrictEqual(placeOf(alone), alone.length - 16, 'the only reference')
  deepStrictEqual(alone.subarray(-16), value.body)
  deepStrictEqual([placeOf(whole), placeOf(usual, 1), placeOf(alone, 1)], [-1, -1, -1], 'others, or too many')
  deepStrictEqual(placeOf(Buffer.concat([alone, Buffer.alloc(1)])), -1)
  for (let length = 0; length < usual.length; length++)
    ok(!isTaken(usual.subarray(0, length)) && !isTakenOf(length), `${length} bytes of a usual one`)
  ok(!isTakenOf(usual.length + 1), 'and one byte')
  t.end()
})

t.test('a value without the bodies of older revisions is what its tree gives without them', (t) => {
  const document = new LinearDocument()
  const revision = fc.record({
    deleted: fc.boolean(),
    hasValue: fc.boolean(),
    size: fc.nat(1e9),
    changes: fc.integer({ min: 1, max: 40_000 }),
  })
  fc.assert(
    fc.property(fc.array(revision, { minLength: 1, maxLength: 40 }), fc.nat(1e6), (revisions, first) => {
      let seq = first
      const tree = new RevisionTree([], 0)
      revisions.forEach(({ deleted, hasValue, size, changes }, i) => {
        seq += changes
        const isLeaf = i === revisions.length - 1
        const ids = Array.from({ length: i + 1 }, (_, k) => String.fromCharCode(i - k).repeat(16))
        const body = Buffer.alloc(16, i)
        const value = { deleted: isLeaf && deleted, seq, body, size, activeSize: size, attachments: null }
        tree.merge({ start: i + 1, ids }, value)
        if (!isLeaf && !hasValue) tree.find(i + 1, ids[0]!)!.value = null
      })
      tree.updateSeq = seq
      const before = encodeInfo(tree, undefined)
      for (const node of tree.nodes) if (node.children > 0) node.value = null
      const wanted = encodeInfo(tree, undefined)
      ok(document.read(before, before.length, true))
      const at = document.leafReferenceAt(revisions.length)
      const left = document.withoutOlder(at)
      deepStrictEqual(left, wanted)
      deepStrictEqual(
        left.subarray(-16),
        Buffer.alloc(16, revisions.length - 1),
        'the reference is at its end',
      )
      deepStrictEqual(document.read(before, before.length, true) && document.seq, seq)
    }),
    { seed },
  )
  t.end()
})
