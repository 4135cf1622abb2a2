/** The disk of tests and fuzzers is the lab's, which ships. */
import './poisoned-pages.ts'

export { SimulatedDisk } from '../../src/lab/disk/simulated-disk.ts'
