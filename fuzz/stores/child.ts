/**
 * The process that is killed: `child STORE PATH SEED COUNTS`. It opens the store, checks that each lane shows as many
 * commits as COUNTS says (`5,7,2,9`) or one more, whole, says `opened COUNTS`, and commits on all lanes until it is
 * killed. Every acknowledged commit is said at once by a synchronous write, `done LANE NUMBER`, before the lane begins
 * the next: what was said is a lower bound, and it is at most one commit of each lane behind.
 */
import { writeSync } from 'node:fs'
import { engineNamed } from '../../bench/peers/engines.ts'
import type { StoreAdapter } from '../../src/lab/peers/adapter.ts'
import { type Lane, makeLanes } from './lanes.ts'

const CACHE_BYTES = 1024 * 1024

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** Brings each lane to where the store is. Throws where that cannot be. */
async function settle(store: StoreAdapter, lanes: readonly Lane[], counts: readonly number[]): Promise<void> {
  const found = new Map<string, Buffer>()
  let previous = ''
  await store.scan((key, value) => {
    const text = key.toString()
    if (text <= previous) throw new Error(`${text} is listed after ${previous}`)
    previous = text
    found.set(text, Buffer.from(value))
  })
  for (const [index, lane] of lanes.entries()) {
    const shown = Number(found.get(lane.countKey.toString()) ?? 0)
    const known = counts[index]!
    if (shown !== known && shown !== known + 1) {
      throw new Error(`${lane.name} shows commit ${shown}, and ${known} was acknowledged`)
    }
    lane.advanceTo(shown)
    for (const [name, value] of lane.entries) {
      const key = `${lane.name}/${name}`
      const scanned = found.get(key)
      if (scanned === undefined) throw new Error(`commit ${shown}: ${key} is missing`)
      if (!scanned.equals(value)) throw new Error(`commit ${shown}: ${key} has other bytes`)
      if (store.get(Buffer.from(key))?.equals(value) !== true) throw new Error(`${key} is read otherwise`)
      found.delete(key)
    }
  }
  if (found.size > 0)
    throw new Error(`there are keys that nobody has written: ${[...found.keys()].slice(0, 3)}`)
}

async function run(store: StoreAdapter, lane: Lane, index: number): Promise<never> {
  for (;;) {
    const operations = lane.next()
    await store.commit(operations)
    lane.advance(operations)
    say(`done ${index} ${lane.count}`)
    // A store that commits without leaving the thread would hold up the other lanes.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const [name, path, seed, counts] = process.argv.slice(2)
const store = await engineNamed(name!).open(path!, { cacheBytes: CACHE_BYTES })
const lanes = makeLanes(Number(seed))
await settle(store, lanes, counts!.split(',').map(Number))
say(`opened ${lanes.map(({ count }) => count).join(',')}`)
await Promise.all(lanes.map((lane, index) => run(store, lane, index)))
