/**
 * Makes what outlives collections, as a thread does that serves requests: prints the most that its young generation took.
 * `small`: it is to be kept small.
 */
import {
  keepYoungGenerationSmall,
  watchYoungGeneration,
  youngGenerationBytes,
} from '../../src/base/young-generation.ts'

const ROUNDS = 400
const LIVING = 20

if (process.argv[2] === 'small') keepYoungGenerationSmall()
const living: object[][] = []
let most = 0
for (let round = 0; round < ROUNDS; round++) {
  living.push(Array.from({ length: 3000 }, (_, number) => ({ round, number })))
  if (living.length > LIVING) living.shift()
  await new Promise((resolve) => setTimeout(resolve, 1))
  watchYoungGeneration()
  most = Math.max(most, youngGenerationBytes())
}
process.stdout.write(`${most}\n`)
