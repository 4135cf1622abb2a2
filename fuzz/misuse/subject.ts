/** What is misused, as those see it who misuse a part of it. */
import type { FileSystem, Store, StoreOptions } from '../../native-free-btree/index.ts'
import type { Random } from '../../test/support/random.ts'
import type { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import type { Coverage } from '../coverage.ts'
import type { Contents, TreeName } from './contents.ts'
import type { MoodyTrees } from './moody-trees.ts'

export const PATH = '/d/store'

export interface Subject {
  readonly store: Store
  readonly disk: SimulatedDisk
  /** Of the present event. */
  readonly random: Random
  readonly coverage: Coverage
  readonly moody: MoodyTrees
  /** What the store holds. Whoever has something acknowledged puts what it holds then. */
  acknowledged: Contents
  /** Whether a callback may throw. */
  readonly isMoody: boolean
  someKey(tree: TreeName): Buffer
  someValue(): Buffer
  options(): StoreOptions
  /** The same files, seen by somebody who does not know the writer. */
  elsewhere(): FileSystem
}
