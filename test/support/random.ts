/** The generator of tests and fuzzers is the lab's, which ships. */
export { Random } from '../../src/lab/random.ts'
