/** The compaction of a database: the engine's, with what the database knows of its entries. */
import {
  type CompactionResult,
  type CompactionSource,
  compact as compactStore,
  type CompactionOptions as StoreCompactionOptions,
  type CompactionProgress as StoreProgress,
} from '../../../native-free-btree/index.ts'
import type { Compression } from '../../base/compression.ts'
import type { CompactionPhase, CompactionProgress } from '../api/compaction.ts'
import { TREES } from '../layout/layout.ts'
import { TREE_OPTIONS } from '../layout/tree-options.ts'
import { DatabaseRewrite } from './rewrite.ts'

export interface CompactionOptions extends Omit<StoreCompactionOptions, 'trees' | 'rewrite' | 'onProgress'> {
  onProgress?: ((progress: CompactionProgress) => void) | undefined
  /** Of bodies that are not packed yet. Default: none. */
  compression?: Compression | undefined
}

/** Compacts. When it resolves the new file has the name, durably. Rejects as the engine's `compact` does. */
export function compact(source: CompactionSource, options: CompactionOptions): Promise<CompactionResult> {
  const { onProgress, compression = 'none', ...others } = options
  return compactStore(source, {
    ...others,
    trees: TREE_OPTIONS,
    rewrite: (snapshot, copies) => new DatabaseRewrite(snapshot, copies, compression),
    onProgress:
      onProgress && (({ phase, tree, ...rest }) => onProgress({ ...rest, phase: phaseOf(phase, tree) })),
  })
}

function phaseOf(phase: StoreProgress['phase'], tree: string | undefined): CompactionPhase {
  if (phase !== 'copy') return phase
  if (tree === TREES.id) return 'docid_copy'
  return tree === undefined || tree === TREES.seq ? 'document_copy' : 'tree_copy'
}
