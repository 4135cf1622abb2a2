/**
 * Which trees the file of an index holds. Format 2.
 *
 * | tree | key | value |
 * |---|---|---|
 * | `rows.N` | `keys/row-key.ts` | `keys/row-value.ts`; the reducer is that of the definition's tree N |
 * | `ids` | document id, UTF-8 | what its rows are keyed by: `document-rows.ts`; only of documents with rows |
 * | `meta` | name of a record | `index-record.ts` |
 */
import type { TreeOptions } from '../../native-free-btree/index.ts'
import type { IndexDefinition } from './api.ts'
import { type KeyOrder, keyOrderOf } from './keys/key-order.ts'
import { treeReducer } from './reduce/tree-reducer.ts'

export const IDS_TREE = 'ids'
export const META_TREE = 'meta'

export function rowsTree(tree: number): string {
  return `rows.${tree}`
}

export function treeCountOf(definition: IndexDefinition): number {
  return definition.kind === 'views' ? definition.trees.length : 1
}

/** Of the rows of one tree. */
export function orderOf(definition: IndexDefinition, tree: number): KeyOrder {
  return keyOrderOf({ isRaw: definition.kind === 'views' && definition.trees[tree]!.isRaw })
}

/** The same in every thread that has the index open. */
export function treeOptionsOf(definition: IndexDefinition): Record<string, TreeOptions> {
  const options: Record<string, TreeOptions> = { [META_TREE]: {}, [IDS_TREE]: {} }
  for (let tree = 0; tree < treeCountOf(definition); tree++) {
    const reduces = definition.kind === 'views' ? definition.trees[tree]!.reduces : []
    const { comparator } = orderOf(definition, tree)
    const reducer = treeReducer(reduces)
    options[rowsTree(tree)] = { ...(comparator && { comparator }), ...(reducer && { reducer }) }
  }
  return options
}
