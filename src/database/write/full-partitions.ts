/**
 * The bound on what a partition may hold, `[couchdb] max_partition_size`. A partition is full when its documents and
 * attachments, as clients see them, have so many bytes at the last commit; what is written beside an edit is not counted,
 * so that a partition may end up above the bound, but no acknowledged write is overlooked. As in CouchDB.
 */
import type { Snapshot } from '../../../native-free-btree/index.ts'
import { idKey, readSummary, TREES } from '../layout/layout.ts'
import { partitionBounds, partitionOf } from '../layout/partition.ts'

/** Says of ids, each of which names a partition, whether that is full. `open` gives the last commit. */
export function fullPartitions(open: () => Snapshot, maxBytes: number): (id: string) => boolean {
  const known = new Map<string, boolean>()
  return (id) => {
    const partition = partitionOf(id)!
    let full = known.get(partition)
    if (full === undefined) {
      full = isFull(open, partition, maxBytes)
      known.set(partition, full)
    }
    return full
  }
}

function isFull(open: () => Snapshot, partition: string, maxBytes: number): boolean {
  const snapshot = open()
  try {
    const ids = snapshot.tree(TREES.id)
    const { start, end } = partitionBounds(partition)
    // The sum of all partitions is in the root, and needs no walk.
    if (readSummary(ids.reduce().reduction).external < maxBytes) return false
    return readSummary(ids.reduce({ start: idKey(start), end: idKey(end) }).reduction).external >= maxBytes
  } finally {
    snapshot.close()
  }
}
