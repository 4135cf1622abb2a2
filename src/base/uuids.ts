/**
 * Ids that the server gives, by CouchDB's algorithm `sequential`, its default: 26 random hex digits that stay, then six that
 * grow by a random step from 1 to 4,093, so that ids which are made one after another are neighbours in a B-tree, and no two
 * servers make the same. Before the six digits run over, the 26 are drawn anew. (`couch_uuids.erl`)
 */
import { type RandomBytes, randomHex } from './random.ts'

const PREFIX_BYTES = 13
const COUNTER_DIGITS = 6
/** From here on the next id begins a new prefix; a step from below it cannot pass 0xffffff. */
const LAST_COUNTER = 0xfff000
const LONGEST_STEP = 0xffd

/** Returns what gives another id of 32 lower-case hex digits at each call. */
export function sequentialUuids(random: RandomBytes): () => string {
  const bytes = Buffer.alloc(4)
  const step = (): number => {
    random(bytes)
    return 1 + (bytes.readUInt32LE(0) % LONGEST_STEP)
  }
  let prefix = ''
  let counter = LAST_COUNTER
  return () => {
    if (counter >= LAST_COUNTER) {
      prefix = randomHex(random, PREFIX_BYTES)
      counter = step()
    } else {
      counter += step()
    }
    return prefix + counter.toString(16).padStart(COUNTER_DIGITS, '0')
  }
}
