/** Reads of an index, as of one commit, whose tree's options are those of its definition. What storage throws is told in the terms of the table of errors. */
import type { Cursor, Snapshot, TreeReader } from '../../native-free-btree/index.ts'
import { DatabaseError } from '../base/errors.ts'
import { databaseErrorOf } from '../database/errors/layer-errors.ts'
import type { IndexDefinition, IndexSnapshot, RowCursor, RowRange, RowReader } from './api.ts'
import { readState } from './index-record.ts'
import { META_TREE, rowsTree, treeCountOf } from './index-trees.ts'
import { idOf } from './keys/row-key.ts'
import { rowValueParts } from './keys/row-value.ts'

/** Runs a read; `onDamage` hears of bytes that are not what was written. */
type Guard = <T>(read: () => T) => T

function guardOf(onDamage: () => void): Guard {
  return (read) => {
    try {
      return read()
    } catch (error) {
      const told = databaseErrorOf(error)
      if (told instanceof DatabaseError && told.kind === 'storageDamaged') onDamage()
      throw told
    }
  }
}

class TreeRowCursor implements RowCursor {
  readonly #cursor: Cursor
  readonly #guard: Guard
  #value: Buffer | undefined
  /** In `#value`. */
  #keyStart = 0
  #valueStart = 0

  constructor(cursor: Cursor, guard: Guard) {
    this.#cursor = cursor
    this.#guard = guard
  }

  next(): boolean {
    this.#value = undefined
    return this.#guard(() => this.#cursor.next())
  }

  #both(): Buffer {
    if (this.#value === undefined) {
      this.#value = this.#guard(() => this.#cursor.value())
      const { keyStart, valueStart } = rowValueParts(this.#value)
      this.#keyStart = keyStart
      this.#valueStart = valueStart
    }
    return this.#value
  }

  key(): Buffer {
    return this.#both().subarray(this.#keyStart, this.#valueStart)
  }

  id(): string {
    return idOf(this.place())
  }

  value(): Buffer {
    return this.#both().subarray(this.#valueStart)
  }

  place(): Buffer {
    return this.#guard(() => this.#cursor.key())
  }
}

class TreeRows implements RowReader {
  readonly #tree: TreeReader
  readonly #guard: Guard

  constructor(tree: TreeReader, guard: Guard) {
    this.#tree = tree
    this.#guard = guard
  }

  count(): number {
    return this.#guard(() => this.#tree.count())
  }

  rank(place: Uint8Array): number {
    return this.#guard(() => this.#tree.rank(place))
  }

  cursor({ start, end, reverse, skip }: RowRange & { reverse?: boolean; skip?: number }): RowCursor {
    const cursor = this.#guard(() => this.#tree.cursor({ start, end, reverse, skip }))
    return new TreeRowCursor(cursor, this.#guard)
  }

  reduce({ start, end }: RowRange): { count: number; reduction: Uint8Array | undefined } {
    const { count, reduction } = this.#guard(() => this.#tree.reduce({ start, end }))
    return { count, reduction }
  }
}

/** The snapshot belongs to it; `onClosed` runs once. */
export function indexSnapshotOf(
  snapshot: Snapshot,
  definition: IndexDefinition,
  onDamage: () => void,
  onClosed: () => void,
): IndexSnapshot {
  const guard = guardOf(onDamage)
  const state = guard(() => readState({ get: (_meta, key) => snapshot.tree(META_TREE).get(key) }))
  const trees = Array.from({ length: treeCountOf(definition) }, (_, tree) =>
    guard(() => new TreeRows(snapshot.tree(rowsTree(tree)), guard)),
  )
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
