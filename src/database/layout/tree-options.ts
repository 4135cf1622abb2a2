import type { TreeOptions } from '../../../native-free-btree/index.ts'
import { decodeAttachments, referenceOfEntry } from './attachment-records.ts'
import { decodeChangeEntry } from './change-entry.ts'
import { addInfo, decodeInfoTree } from './document-info.ts'
import { idReducer, TREES } from './layout.ts'
import { referenceOf } from './stored-body.ts'

/** Of the trees of a database. */
export const TREE_OPTIONS: Record<string, TreeOptions> = {
  [TREES.id]: {
    reducer: idReducer(addInfo),
    references: (value) =>
      decodeInfoTree(Buffer.from(value)).nodes.flatMap((node) =>
        node.value === null
          ? []
          : [
              referenceOf(node.value.body),
              ...decodeAttachments(node.value.attachments).map((info) => info.reference),
            ],
      ),
  },
  [TREES.seq]: { references: (value) => [decodeChangeEntry(Buffer.from(value)).reference] },
  [TREES.purge]: {},
  [TREES.local]: {},
  [TREES.meta]: {},
  [TREES.attachments]: { references: (value) => [referenceOfEntry(value)] },
  [TREES.expiry]: {},
}
