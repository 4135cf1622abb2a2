/**
 * What a store may show, and what it must: versions by the marker of the transaction that made them, of which one is the last that was
 * acknowledged, and some were submitted and not answered yet.
 */
import type { Store } from '../../native-free-btree/index.ts'
import {
  assertHolds,
  EMPTY_VERSION,
  markerOf,
  type Plan,
  planTransaction,
  type Version,
} from './crash-model.ts'
import type { Random } from './random.ts'

/** Readers may be so many commits behind. */
const KEPT = 40

export class CrashVersions {
  #versions = new Map<number, Version>([[0, EMPTY_VERSION]])
  #acknowledged = 0
  /** Markers of transactions that were submitted and not answered. */
  #inFlight: number[] = []
  #nextMarker = 1

  /** Of a store that is empty again. */
  clear(): void {
    this.#versions = new Map([[0, EMPTY_VERSION]])
    this.#acknowledged = 0
    this.#inFlight = []
  }

  /** Marker of the last acknowledged transaction. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** What an opening may find. */
  get acceptable(): number[] {
    return [this.#acknowledged, ...this.#inFlight]
  }

  /** What was acknowledged last. */
  get newest(): Version {
    return this.of(this.#acknowledged)
  }

  /** Of a marker that is known. */
  of(marker: number): Version {
    return this.#versions.get(marker)!
  }

  find(marker: number): Version | undefined {
    return this.#versions.get(marker)
  }

  /** A transaction on `before`, with what was streamed. */
  plan(
    random: Random,
    before: Version,
    writeCount: number,
    streamed: Parameters<typeof planTransaction>[4],
  ): Plan {
    const plan = planTransaction(random, before, this.#nextMarker++, writeCount, streamed)
    this.#versions.set(plan.version.marker, plan.version)
    return plan
  }

  submitted(marker: number): void {
    this.#inFlight.push(marker)
  }

  acknowledge(marker: number): void {
    this.#acknowledged = marker
    this.#inFlight = this.#inFlight.filter((other) => other > marker)
  }

  /** It is certain that it was not written. */
  refuse(marker: number): void {
    this.#inFlight = this.#inFlight.filter((other) => other !== marker)
  }

  /** What an opening found is from then on as good as acknowledged: it was shown. Whether it was before. */
  accept(store: Store): boolean {
    const marker = this.verify(store)
    const wasAcknowledged = marker === this.#acknowledged
    this.#acknowledged = marker
    this.#inFlight = []
    return wasAcknowledged
  }

  /** The marker of what a store shows. Throws where that is none of `acceptable`, or not whole. */
  verify(store: Store, acceptable: readonly number[] = this.acceptable): number {
    const marker = markerOf(store)
    if (!acceptable.includes(marker)) {
      throw new Error(`the store shows version ${marker}, not one of ${acceptable.join(', ')}`)
    }
    assertHolds(store, this.of(marker))
    return marker
  }

  /** Nobody shows these any more. */
  forgetOld(): void {
    const kept = [...this.#versions.keys()].slice(-KEPT)
    const oldest = Math.min(kept[0]!, ...this.acceptable)
    for (const marker of this.#versions.keys()) {
      const refused = marker > this.#acknowledged && !this.#inFlight.includes(marker)
      if (marker < oldest || refused) this.#versions.delete(marker)
    }
  }
}
