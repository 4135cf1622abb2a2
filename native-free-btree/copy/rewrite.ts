/**
 * What the entries of a store become on their way into a new file. Positions in one file say nothing in another, so
 * whoever keeps references in values replaces each by that of its copy (see reference-copies.ts). What holds:
 * - An entry of the snapshot is rewritten once, in the order of its tree; the trees come in the order of `order`.
 * - A change of the log is rewritten when all before its stretch are in the new file.
 * - Long values are copied before the entry that names them: `references` and `changedReferences` name all that the
 *   rewriting of the entry will ask for.
 */
import type { Reference, Transaction, TreeOptions } from '../api.ts'
import { referring } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import type { Appender } from './reference-copies.ts'

export interface Rewrite {
  /** The trees that are copied first, in this order. */
  readonly order?: readonly string[]
  /** The trees whose changes of a stretch are applied first, in this order. */
  readonly changeOrder?: readonly string[]
  /** About the bytes of the values that references lead to and that will be copied. */
  readonly valueBytes?: number
  /** The references whose values the entry needs in the new file. */
  references(tree: string, value: Buffer): readonly Reference[]
  /**
   * The value in the new file, which may be `value` itself, changed in place; undefined leaves the entry out. Values are appended to
   * `appender`.
   */
  entry(appender: Appender, tree: string, key: Buffer, value: Buffer): Uint8Array | undefined
  /** As `references`, of a change. */
  changedReferences(tree: string, key: Buffer, value: Buffer): readonly Reference[]
  /** As `entry`, of a change; `tx` shows the changes before it, too. */
  change(tx: Transaction, tree: string, key: Buffer, value: Buffer): Uint8Array | undefined
}

const NONE: readonly Reference[] = []

/** Entries stay as they are. Throws INVALID_ARGUMENT for one that holds references, which would lead nowhere. */
export function plainRewrite(trees: Readonly<Record<string, TreeOptions>>): Rewrite {
  const same = (tree: string, value: Buffer): Buffer => {
    const { references } = trees[tree] ?? {}
    if (references === undefined || referring(references)(value).length === 0) return value
    const message = `the values of the tree ${tree} hold references: a rewrite must say what becomes of them`
    throw new StorageError('INVALID_ARGUMENT', message, { tree })
  }
  return {
    references: () => NONE,
    entry: (_appender, tree, _key, value) => same(tree, value),
    changedReferences: () => NONE,
    change: (_tx, tree, _key, value) => same(tree, value),
  }
}
