import t from 'tap'
import { encodeInfo } from '../../src/database/layout/document-info.ts'
import { idKey } from '../../src/database/layout/layout.ts'
import { RevisionTree } from '../../src/database/revisions/revision-tree.ts'
import { StoredState, stateOf, writeDocument } from '../../src/database/write/derived-trees.ts'

/** A document of one revision, or of two, the second a tombstone. */
function treeOf(updateSeq: number, deleted: boolean): RevisionTree {
  const tree = new RevisionTree([], updateSeq)
  const value = { seq: 1, body: Buffer.alloc(16), size: 2, activeSize: 2, attachments: null }
  tree.merge({ start: 1, ids: ['a'] }, { ...value, deleted: false })
  if (deleted) tree.merge({ start: 2, ids: ['b', 'a'] }, { ...value, deleted: true })
  return tree
}

function operationsOf(write: (tx: Parameters<typeof writeDocument>[0]) => void): string[] {
  const operations: string[] = []
  write({
    get: () => undefined,
    getInto: () => -1,
    append: () => Buffer.alloc(16),
    put: (tree) => void operations.push(`put ${tree}`),
    delete: (tree) => void operations.push(`delete ${tree}`),
  })
  return operations
}

t.test('each tree gets what differs', async (t) => {
  const key = idKey('a')
  const live = stateOf(treeOf(1, false), 5)
  const plain = stateOf(treeOf(2, false), undefined)
  const gone = stateOf(treeOf(3, true), 5)
  t.equal(gone.expiresAtMs, undefined, 'a deleted document does not expire')
  t.same(
    operationsOf((tx) => writeDocument(tx, key, undefined, live)),
    ['put expiry', 'put seq', 'put id'],
  )
  t.same(
    operationsOf((tx) => writeDocument(tx, key, live, plain)),
    ['delete expiry', 'delete seq', 'put seq', 'put id'],
  )
  t.same(
    operationsOf((tx) => writeDocument(tx, key, plain, gone)),
    ['delete seq', 'put seq', 'put id'],
  )
  t.same(
    operationsOf((tx) => writeDocument(tx, key, live, undefined)),
    ['delete expiry', 'delete seq', 'delete id'],
  )
})

t.test('an entry tells the document as it was', async (t) => {
  const tree = treeOf(7, true)
  const state = new StoredState(encodeInfo(tree, undefined), 7, undefined)
  t.same([state.winner.pos, state.winner.id, state.winner.value!.deleted], [2, 'b', true])
  t.equal(state.tree.nodes.length, 2)
  t.equal(state.tree, state.tree, 'decoded once')
})
