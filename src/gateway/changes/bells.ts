/**
 * Who is woken by what was written: of a thousand who follow a database those alone who have one of the channels that the
 * write touched. What holds: whoever may be told of a change by a pass over what he has now is rung.
 */

import type { StateAt } from '../../channels/index-entries.ts'
import { ALL_CHANNELS } from '../../channels/names.ts'

/** Channels of one listener that are kept apart; who has more hears of everything. */
const MOST_CHANNELS = 1000

type Ring = () => void

export class Bells {
  readonly #byChannel = new Map<string, Set<Ring>>()
  /** Those who hear of everything. */
  readonly #always = new Set<Ring>()
  readonly #all = new Set<Ring>()
  readonly #touched = new Set<string>()
  #touchesAll = false

  /** What `ring` is called for. `channels` undefined is everything. Returns what ends that. */
  listen(ring: Ring, channels: ReadonlySet<string> | undefined): () => void {
    const isPicky = channels !== undefined && channels.size <= MOST_CHANNELS && !channels.has(ALL_CHANNELS)
    const places: Set<Ring>[] = isPicky ? [...channels].map((name) => this.#ofChannel(name)) : [this.#always]
    places.push(this.#all)
    for (const place of places) place.add(ring)
    return () => {
      for (const place of places) place.delete(ring)
      if (isPicky) for (const name of channels) this.#tidy(name)
    }
  }

  #ofChannel(name: string): Set<Ring> {
    let rings = this.#byChannel.get(name)
    if (rings === undefined) {
      rings = new Set()
      this.#byChannel.set(name, rings)
    }
    return rings
  }

  #tidy(name: string): void {
    if (this.#byChannel.get(name)?.size === 0) this.#byChannel.delete(name)
  }

  /** A document is in this state: entries of the channels that it is in, or has just left, are new. */
  moved({ state, seq }: StateAt): void {
    for (const [channel, removal] of state.channels) {
      if (removal === undefined || removal.seq === seq) this.#touched.add(channel)
    }
  }

  /** Who may read what has changed: everybody is to look again. */
  changedReaders(): void {
    this.#touchesAll = true
  }

  /** Rings for all that has come since it did so before. */
  ring(): void {
    const rings = new Set(this.#touchesAll ? this.#all : this.#always)
    for (const channel of this.#touched) {
      for (const ring of this.#byChannel.get(channel) ?? []) rings.add(ring)
    }
    this.#touched.clear()
    this.#touchesAll = false
    for (const ring of rings) ring()
  }
}
