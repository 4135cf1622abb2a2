/** Reads of an index, as of one commit, whose tree's options are those of its definition. What storage throws is told in the terms of the table of errors. */
import type { Cursor, EntryPlace, Snapshot, TreeReader } from '../../native-free-btree/index.ts'
import { DatabaseError } from '../base/errors.ts'
import { databaseErrorOf } from '../database/errors/layer-errors.ts'
import type { IndexDefinition, IndexSnapshot, RowCursor, RowRange, RowReader } from './api.ts'
import { type IndexState, readState } from './index-record.ts'
import { META_TREE, rowsTree, treeCountOf } from './index-trees.ts'
import { idOf } from './keys/row-key.ts'
import { rowValueParts } from './keys/row-value.ts'

/** Throws what a read that failed is told as; who makes one hears of bytes that are not what was written. */
type Tell = (error: unknown) => never

function tellerOf(onDamage: () => void): Tell {
  return (error) => {
    const told = databaseErrorOf(error)
    if (told instanceof DatabaseError && told.kind === 'storageDamaged') onDamage()
    throw told
  }
}

class TreeRowCursor implements RowCursor {
  readonly #cursor: Cursor
  readonly #tell: Tell
  #stored: Buffer | undefined

  constructor(cursor: Cursor, tell: Tell) {
    this.#cursor = cursor
    this.#tell = tell
  }

  next(): boolean {
    this.#stored = undefined
    try {
      return this.#cursor.next()
    } catch (error) {
      return this.#tell(error)
    }
  }

  stored(): Buffer {
    try {
      this.#stored ??= this.#cursor.value()
      return this.#stored
    } catch (error) {
      return this.#tell(error)
    }
  }

  key(): Buffer {
    const stored = this.stored()
    const { keyStart, valueStart } = rowValueParts(stored)
    return stored.subarray(keyStart, valueStart)
  }

  id(): string {
    return idOf(this.place())
  }

  value(): Buffer {
    const stored = this.stored()
    return stored.subarray(rowValueParts(stored).valueStart)
  }

  place(): Buffer {
    try {
      return this.#cursor.key()
    } catch (error) {
      return this.#tell(error)
    }
  }

  locate(into: EntryPlace): void {
    try {
      this.#cursor.place(into)
    } catch (error) {
      this.#tell(error)
    }
  }
}

class TreeRows implements RowReader {
  readonly #tree: TreeReader
  readonly #tell: Tell

  constructor(tree: TreeReader, tell: Tell) {
    this.#tree = tree
    this.#tell = tell
  }

  count(): number {
    try {
      return this.#tree.count()
    } catch (error) {
      return this.#tell(error)
    }
  }

  rank(place: Uint8Array): number {
    try {
      return this.#tree.rank(place)
    } catch (error) {
      return this.#tell(error)
    }
  }

  cursor({ start, end, reverse, skip }: RowRange & { reverse?: boolean; skip?: number }): RowCursor {
    try {
      return new TreeRowCursor(this.#tree.cursor({ start, end, reverse, skip }), this.#tell)
    } catch (error) {
      return this.#tell(error)
    }
  }

  reduce({ start, end }: RowRange): { count: number; reduction: Uint8Array | undefined } {
    try {
      const { count, reduction } = this.#tree.reduce({ start, end })
      return { count, reduction }
    } catch (error) {
      return this.#tell(error)
    }
  }
}

/** The state of the commit that was read last of one file: what it says changes with a commit alone. */
export class KnownState {
  #commit = -1
  #state: IndexState | undefined

  /** Throws what storage throws. */
  of(snapshot: Snapshot): IndexState | undefined {
    if (snapshot.commit !== this.#commit) {
      const meta = snapshot.tree(META_TREE)
      this.#state = readState({ get: (_meta, key) => meta.get(key) })
      this.#commit = snapshot.commit
    }
    return this.#state
  }
}

/** The snapshot, of the file that `known` is of, belongs to it; `onClosed` runs once. */
export function indexSnapshotOf(
  snapshot: Snapshot,
  known: KnownState,
  definition: IndexDefinition,
  onDamage: () => void,
  onClosed: () => void,
): IndexSnapshot {
  const tell = tellerOf(onDamage)
  const trees: TreeRows[] = []
  let state: IndexState | undefined
  try {
    state = known.of(snapshot)
    const count = treeCountOf(definition)
    for (let tree = 0; tree < count; tree++) {
      trees.push(new TreeRows(snapshot.tree(rowsTree(tree)), tell))
    }
  } catch (error) {
    tell(error)
  }
  let isOpen = true
  return {
    updateSeq: state?.updateSeq ?? 0,
    sequence: state?.sequence ?? '',
    purgeSeq: state?.purgeSeq ?? 0,
    trees,
    close() {
      if (!isOpen) return
      isOpen = false
      snapshot.close()
      onClosed()
    },
  }
}
