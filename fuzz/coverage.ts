/** The counts are the lab's, which ships. */
export { Coverage } from '../src/lab/coverage.ts'
