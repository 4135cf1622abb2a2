/** A reader in a thread of its own: opens the store again and again, moves on, and compares all that it shows. */
import { workerData } from 'node:worker_threads'
import { openStore } from '../../native-free-btree/index.ts'
import { assertHolds, markerOf } from '../../test/support/crash-model.ts'
import { TEST_TREES } from '../../test/support/test-trees.ts'
import { SHARED, type ThreadData, VersionWalk } from './thread-versions.ts'

const REFRESHES = 30

const { path, seed, shared } = workerData as ThreadData
const walk = new VersionWalk(seed)
let last = 0

/** What was acknowledged before the reader moved is shown, and nothing that was never submitted. */
function assertShown(marker: number, least: number): void {
  const submitted = Atomics.load(shared, SHARED.submitted)
  if (marker < least || marker > submitted) {
    throw new Error(`a reader shows version ${marker}; ${least} was acknowledged, ${submitted} submitted`)
  }
}

const acknowledged = () => Atomics.load(shared, SHARED.acknowledged)

while (Atomics.load(shared, SHARED.stops) === 0) {
  let least = acknowledged()
  const store = await openStore(path, { readOnly: true, trees: TEST_TREES })
  for (let i = 0; i < REFRESHES && Atomics.load(shared, SHARED.stops) === 0; i++) {
    const marker = markerOf(store)
    assertShown(marker, least)
    assertHolds(store, walk.to(marker))
    if (marker > last) Atomics.add(shared, SHARED.movedOn, 1)
    last = marker
    least = acknowledged()
    await store.refresh()
    Atomics.add(shared, SHARED.refreshes, 1)
  }
  await store.close()
}
