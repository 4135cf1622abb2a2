/**
 * Which documents are in a channel, by the sequence: what `_changes` reads. It follows from the documents' states alone:
 * each channel that a document is in, or has left, has one entry of it. It is taken along by whoever writes, document by
 * document in the order of the sequence, before the write is acknowledged, and made anew from the documents when a database is
 * opened. So it never says more than what is durable, and whoever heard of a write finds it.
 */
import type { DocumentState, Removal } from './revision-record.ts'

export interface ChannelEntry {
  readonly seq: number
  readonly id: string
  /** Undefined: the document is in the channel. */
  readonly removal: Removal | undefined
}

/** Entries that were taken out, in a row of so many at least, before those left are brought together. */
const LEAST_DEAD = 64

/** The entries of one channel in the order of the sequence. New ones come at the end; others go anywhere. */
class ChannelLog {
  #entries: (ChannelEntry | undefined)[] = []
  /** Sequences of all places, those of dead entries too. */
  #sequences: number[] = []
  #dead = 0

  get isEmpty(): boolean {
    return this.#entries.length === this.#dead
  }

  add(entry: ChannelEntry): void {
    const last = this.#sequences.at(-1)
    if (last === undefined || entry.seq > last) {
      this.#entries.push(entry)
      this.#sequences.push(entry.seq)
      return
    }
    const at = this.placeBehind(entry.seq)
    this.#entries.splice(at, 0, entry)
    this.#sequences.splice(at, 0, entry.seq)
  }

  remove(seq: number, id: string): void {
    for (let at = this.placeBehind(seq - 1); this.#sequences[at] === seq; at++) {
      if (this.#entries[at]?.id !== id) continue
      this.#entries[at] = undefined
      this.#dead += 1
      break
    }
    if (this.#dead >= LEAST_DEAD && this.#dead * 2 > this.#entries.length) this.#tidy()
  }

  #tidy(): void {
    this.#entries = this.#entries.filter((entry) => entry !== undefined)
    this.#sequences = this.#entries.map((entry) => entry!.seq)
    this.#dead = 0
  }

  /** The first place whose sequence is above `seq`. */
  placeBehind(seq: number): number {
    let low = 0
    let high = this.#sequences.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sequences[middle]! > seq) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Undefined for a dead place; null at the end. */
  at(place: number): ChannelEntry | undefined | null {
    return place < this.#entries.length ? this.#entries[place] : null
  }
}

/** Walks a channel upwards. Not to be used once something was written. */
export class ChannelCursor {
  readonly #log: ChannelLog | undefined
  #place: number

  constructor(log: ChannelLog | undefined, since: number) {
    this.#log = log
    this.#place = log?.placeBehind(since) ?? 0
  }

  next(): ChannelEntry | undefined {
    if (this.#log === undefined) return undefined
    for (;;) {
      const entry = this.#log.at(this.#place)
      if (entry === null) return undefined
      this.#place += 1
      if (entry !== undefined) return entry
    }
  }
}

export class ChannelIndex {
  readonly #channels = new Map<string, ChannelLog>()

  /** Takes a document from one state to another. `seq` and `nextSeq` are where it stood and stands. */
  move(
    id: string,
    before: { state: DocumentState; seq: number } | undefined,
    after: { state: DocumentState; seq: number } | undefined,
  ): void {
    if (before !== undefined) {
      for (const [name, removal] of before.state.channels) {
        const log = this.#channels.get(name)
        log?.remove(removal?.seq ?? before.seq, id)
        if (log?.isEmpty) this.#channels.delete(name)
      }
    }
    if (after === undefined) return
    for (const [name, removal] of after.state.channels) {
      let log = this.#channels.get(name)
      if (log === undefined) {
        log = new ChannelLog()
        this.#channels.set(name, log)
      }
      log.add({ seq: removal?.seq ?? after.seq, id, removal })
    }
  }

  /** The entries of a channel behind `since`. */
  cursor(channel: string, since: number): ChannelCursor {
    return new ChannelCursor(this.#channels.get(channel), since)
  }
}
