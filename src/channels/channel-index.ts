/**
 * Which documents are in a channel, by the sequence: what `_changes` reads. The entries are in the database (see
 * `index-entries.ts`); what is in memory is where a channel's last one is, of the channels that were written to lately, so that
 * who has seen all of his channels is not looked up in the database with each write of others.
 */
import { type ChannelEntry, channelEntries, type StateAt } from './index-entries.ts'
import type { Notes } from './notes.ts'

const MOST_HEADS = 100_000

/** Walks a channel upwards. To be closed. */
export class ChannelCursor {
  readonly #entries: Generator<ChannelEntry>

  constructor(entries: Generator<ChannelEntry>) {
    this.#entries = entries
  }

  next(): ChannelEntry | undefined {
    return this.#entries.next().value ?? undefined
  }

  close(): void {
    this.#entries.return(undefined)
  }
}

export class ChannelIndex {
  readonly #notes: Notes
  /** Of each channel that has an entry behind the floor, the last one. */
  readonly #heads = new Map<string, number>()
  #floor: number

  /** Behind `floor` nothing is written yet. */
  constructor(notes: Notes, floor: number) {
    this.#notes = notes
    this.#floor = floor
  }

  /** A document is in this state, with its entries. */
  moved({ state, seq }: StateAt): void {
    for (const [channel, removal] of state.channels) {
      const at = removal?.seq ?? seq
      if (at > (this.#heads.get(channel) ?? this.#floor)) this.#heads.set(channel, at)
    }
    if (this.#heads.size <= MOST_HEADS) return
    for (const at of this.#heads.values()) if (at > this.#floor) this.#floor = at
    this.#heads.clear()
  }

  /** The entries of a channel behind `since`; undefined where there are none. */
  cursor(channel: string, since: number): ChannelCursor | undefined {
    if (since >= (this.#heads.get(channel) ?? this.#floor)) return undefined
    return new ChannelCursor(channelEntries(this.#notes, channel, since))
  }
}
