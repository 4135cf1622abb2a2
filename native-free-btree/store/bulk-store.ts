/** What the making of a whole file needs of a store beside what all callers see. */
import type { Store } from '../api.ts'
import type { GroupBuilder } from '../log/builder.ts'
import type { Tree } from '../tree/tree.ts'

export interface BulkStore extends Store {
  /**
   * Runs `build` in the writer's turn on a chunk group, which no replay looks into; `bytes` is about what it will
   * append. What it appended is durable with the next commit.
   */
  bulk<T>(bytes: number, build: (builder: GroupBuilder) => T): Promise<T>
  treeOf(name: string): Tree
}
