/** Copies of inner nodes: what they know of children that lie in the file. */
import t from 'tap'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { type NodePointer, readPointer } from '../../native-free-btree/page/pointer.ts'
import { ChangeableNodes } from '../../native-free-btree/tree/changeable-nodes.ts'

const CHILDREN = 40

function pointerOf(n: number, reduction: Uint8Array | undefined): NodePointer {
  return {
    position: 10_000 + n * 4096,
    length: 2000 + n,
    hash: BigInt(n + 1),
    count: n,
    bytes: n * 10,
    reduction,
  }
}

function leaf(): MutableNode {
  return MutableNode.empty(true, 512, 1)
}

for (const reductionBytes of [undefined, 0, 8]) {
  t.test(`children in the file are not kept by a copy, reductions of ${reductionBytes} bytes`, (t) => {
    const hasReduction = reductionBytes !== undefined
    const pointers = Array.from({ length: CHILDREN }, (_, n) =>
      pointerOf(n, hasReduction ? Buffer.alloc(reductionBytes, n) : undefined),
    )
    const node = MutableNode.empty(false, 1024, 1)
    for (let n = 0; n < CHILDREN; n++)
      node.insertChild(n, Buffer.from(`key-${String(n).padStart(3, '0')}`), leaf())
    const before = node.children!.slice()
    // Every fourth is still to be written.
    for (let n = 0; n < CHILDREN; n++) if (n % 4 !== 3) before[n]!.release(pointers[n]!)

    const copy = node.clone(2)
    t.same(node.children, before, 'whoever reads the old one finds what he found before')
    t.equal(copy.cells, CHILDREN)
    for (let n = 0; n < CHILDREN; n++) {
      if (n % 4 === 3) {
        t.equal(copy.children![n], before[n], `child ${n}, which only memory has`)
        continue
      }
      t.equal(copy.children![n], undefined, `child ${n}, which the file has`)
      t.same(readPointer(copy.page, n, hasReduction), pointers[n])
    }
    t.end()
  })
}

t.test('behind a checkpoint nodes forget what it has written, as long as nobody else reads them', (t) => {
  let counted = 0
  const ledger = {
    add(bytes: number) {
      counted += bytes
    },
  }
  const nodes = new ChangeableNodes(undefined as never, ledger, undefined, false)
  const root = MutableNode.empty(false, 1024, 1)
  const inner = MutableNode.empty(false, 1024, 1)
  root.insertChild(0, Buffer.alloc(0), inner)
  const leaves = Array.from({ length: CHILDREN }, leaf)
  for (const [n, child] of leaves.entries())
    inner.insertChild(n, Buffer.from(`key-${String(n).padStart(3, '0')}`), child)
  nodes.root = root
  leaves[5]!.release(pointerOf(5, undefined))
  const share = nodes.share()
  nodes.forgetWritten()
  t.equal(inner.children![5], leaves[5], 'a snapshot reads the node')
  nodes.unshare(share)
  const before = inner.memoryBytes
  nodes.forgetWritten()
  t.same(
    inner.children,
    leaves.map((child, n) => (n === 5 ? undefined : child)),
  )
  t.same(readPointer(inner.page, 5, false), pointerOf(5, undefined))
  t.equal(counted, inner.memoryBytes - before)
  t.equal(root.children![0], inner)
  t.end()
})
