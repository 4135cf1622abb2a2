/** An encoder that was broken off by an error kept what it had written, and put it in front of the next value. */
import t from 'tap'
import { encodeAttachments } from '../../src/database/layout/attachment-records.ts'
import { RevisionTree, type RevisionValue } from '../../src/database/revisions/revision-tree.ts'
import { encodeTree } from '../../src/database/revisions/revision-tree-codec.ts'

const value: RevisionValue = {
  deleted: false,
  seq: 1,
  body: Buffer.alloc(16, 7),
  size: 1,
  activeSize: 1,
  attachments: null,
}
const thrower = (): never => {
  throw new Error('in the middle')
}

t.test('revision trees', async (t) => {
  const tree = (one: RevisionValue): RevisionTree => {
    const made = new RevisionTree()
    made.merge({ start: 2, ids: ['b', 'a'] }, one)
    return made
  }
  const before = encodeTree(tree(value))
  const broken = Object.defineProperty({ ...value }, 'size', { get: thrower })
  t.throws(() => encodeTree(tree(broken)), /in the middle/)
  t.same(encodeTree(tree(value)), before)
})

t.test('attachments', async (t) => {
  const info = {
    name: 'a',
    type: 'text/plain',
    md5: Buffer.alloc(16, 1),
    length: 3,
    encodedLength: 3,
    encoding: 'identity' as const,
    revpos: 1,
    reference: Buffer.alloc(16, 2),
  }
  const before = encodeAttachments([info])
  const broken = Object.defineProperty({ ...info }, 'revpos', { get: thrower })
  t.throws(() => encodeAttachments([info, broken]), /in the middle/)
  t.same(encodeAttachments([info]), before)
})
