/** Which syncs hold the calling thread: on a quick disk nearly all, on a slow one nearly none. */
import t from 'tap'
import { SyncPlace } from '../../native-free-btree/disk/sync-place.ts'

let nowMs = 0

function placeOfSyncs(): SyncPlace {
  return new SyncPlace(
    () => true,
    () => nowMs,
  )
}

function slowSync(): void {
  nowMs += 3
}

function quickSync(): void {
  nowMs += 1
}

/** Syncs that go to the pool until one may hold the thread again. */
function poolSyncs(place: SyncPlace): number {
  let count = 0
  while (!place.isHere()) count += 1
  return count
}

t.test('syncs hold the thread until one is slow', async (t) => {
  const place = placeOfSyncs()
  for (let i = 0; i < 3; i++) {
    t.ok(place.isHere())
    place.run(quickSync)
  }
  place.run(slowSync)
  t.equal(poolSyncs(place), 8)
})

t.test(
  'the more often one is slow when it is tried again, the longer the others go to the pool, up to a bound',
  async (t) => {
    const place = placeOfSyncs()
    const counts: number[] = []
    for (let i = 0; i < 7; i++) {
      place.run(slowSync)
      counts.push(poolSyncs(place))
    }
    t.same(counts, [8, 16, 32, 64, 128, 256, 256])
  },
)

t.test('a quick one makes up for all that were slow', async (t) => {
  const place = placeOfSyncs()
  for (let i = 0; i < 3; i++) {
    place.run(slowSync)
    poolSyncs(place)
  }
  place.run(quickSync)
  place.run(slowSync)
  t.equal(poolSyncs(place), 8)
})

t.test(
  'no sync holds a thread that somebody else waits for, and the pool it goes to is not counted',
  async (t) => {
    let mayHold = false
    const place = new SyncPlace(
      () => mayHold,
      () => nowMs,
    )
    t.notOk(place.isHere())
    mayHold = true
    t.ok(place.isHere())
    place.run(slowSync)
    mayHold = false
    for (let i = 0; i < 100; i++) t.notOk(place.isHere())
    mayHold = true
    t.equal(poolSyncs(place), 8)
  },
)
