/** The disk of tests and fuzzers is the lab's, which ships. */
import { pagePool } from '../../native-free-btree/page/pool.ts'

export { SimulatedDisk } from '../../src/lab/disk/simulated-disk.ts'

// Whoever looks at a page that was given back finds nonsense, not what it held.
pagePool.poisons = true
