import { ALL_CHANNELS } from '../names.ts'
import type { TimedSet } from '../timed-set.ts'

/** Somebody as he is now: what he may read. Not to be kept beyond a request, or a pass of a feed. */
export interface Reader {
  readonly name: string
  /** All channels that he may read, those of his roles too. */
  readonly channels: TimedSet
  /** His own, without those of his roles. */
  readonly ownChannels: TimedSet
  readonly roles: TimedSet
  /** The sequence of the last change of his account. */
  readonly seq: number
}

/** Whether documents in one of these channels may be read. `reader` null is an administrator. */
export function mayRead(reader: Reader | null, channels: readonly string[]): boolean {
  if (reader === null || reader.channels.has(ALL_CHANNELS)) return true
  return channels.some((name) => reader.channels.has(name))
}

export function mayReadChannel(reader: Reader | null, channel: string): boolean {
  return reader === null || reader.channels.has(ALL_CHANNELS) || reader.channels.has(channel)
}
