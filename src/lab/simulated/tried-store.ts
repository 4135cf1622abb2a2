/** The store that is tried, opened on one simulated disk after another, and what of it may be wrong there. */
import type { FileSystem } from '../../../native-free-btree/index.ts'
import type { Store } from '../api.ts'
import type { Lane } from '../crash/lanes.ts'
import { judgeStore } from '../crash/reading.ts'
import type { Settings } from '../crash/subject.ts'
import { type Bounds, Wrong } from '../crash/verdict.ts'
import { messageOf } from '../lab-error.ts'
import { type Opened, openStoreOf } from '../opened.ts'

/** There is no such folder: whatever goes past the file system that was given is seen by its error. */
export const FOLDER = '/davenport-lab-simulated'
const CACHE_BYTES = 4 * 1024 * 1024

export class TriedStore {
  readonly store: Store
  readonly settings: Settings
  readonly lanes: readonly Lane[]

  constructor(store: Store, settings: Settings, lanes: readonly Lane[]) {
    this.store = store
    this.settings = settings
    this.lanes = lanes
  }

  /** Rejects with Wrong. */
  async open(fileSystem: FileSystem): Promise<Opened> {
    try {
      const given = { settings: this.settings, cacheBytes: CACHE_BYTES, fileSystem }
      return await openStoreOf(this.store, FOLDER, given)
    } catch (error) {
      throw new Wrong('not opened', messageOf(error))
    }
  }

  /** What each lane shows, in commits. Rejects with Wrong. */
  judge(opened: Opened, bounds: readonly Bounds[]): Promise<number[]> {
    return judgeStore(opened, this.store.capabilities, this.lanes, bounds)
  }

  /**
   * As `judge`, where the store may refuse to open or to read: then each key by itself has to show what it held
   * after some commit within the bounds, or an error. Resolves with whether anything was refused.
   */
  async judgeDamaged(fileSystem: FileSystem, bounds: readonly Bounds[]): Promise<boolean> {
    let opened: Opened
    try {
      opened = await this.open(fileSystem)
    } catch {
      return true
    }
    try {
      await this.judge(opened, bounds)
      return false
    } catch (error) {
      if (!(error instanceof Wrong) || error.kind !== 'not read') throw error
    }
    for (const [index, lane] of this.lanes.entries()) {
      const { low, high } = bounds[index]!
      for (const key of lane.keys(high)) await this.#judgeKey(opened, lane, key, low, high)
    }
    return true
  }

  async #judgeKey(opened: Opened, lane: Lane, key: string, low: number, high: number): Promise<void> {
    let found: Buffer | undefined
    try {
      found = await opened.get(Buffer.from(key))
    } catch {
      return
    }
    const later = lane.versions(key, high).filter(({ number }) => number > low)
    const allowed = [lane.valueAfter(key, low)?.value, ...later.map(({ value }) => value)]
    const isRight = allowed.some((value) =>
      value === undefined || found === undefined ? value === found : value.equals(found),
    )
    if (isRight) return
    const isOld = lane.versions(key, low).some(({ value }) => found !== undefined && value?.equals(found))
    if (found === undefined || isOld)
      throw new Wrong('acknowledged write lost', `${key} shows what it held before, and no error`)
    throw new Wrong('never written', `${key} holds ${found.length} bytes that nobody has written to it`)
  }
}
