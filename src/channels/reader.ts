import type { GrantIndex } from './grant-index.ts'
import { ALL_CHANNELS, PUBLIC_CHANNEL, ROLE_PREFIX } from './names.ts'
import { addTimed, type TimedSet } from './timed-set.ts'

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

/** Everybody has the public channel since before anything was written. */
export const PUBLIC_SINCE = 1

/** A user or a role, as an administrator has set it. */
export interface Appointed {
  /** The sequence at which it came back after it had been deleted; 0 if it never was. What it was granted before counts from then. */
  readonly backSince: number
  readonly channels: TimedSet
  /** Of a user. */
  readonly roles: TimedSet
}

/** What documents grant: channels by user, or `role:` and role; roles by user. */
export interface Grants {
  readonly channelGrants: Pick<GrantIndex, 'of'>
  readonly roleGrants: Pick<GrantIndex, 'of'>
}

/** The channels of a user or a role, by the name that grants have, without those of his roles. */
export function channelsOf(appointed: Appointed, granted: string, { channelGrants }: Grants): TimedSet {
  const channels = new Map(appointed.channels)
  for (const [channel, seq] of channelGrants.of(granted)) {
    addTimed(channels, channel, Math.max(seq, appointed.backSince))
  }
  addTimed(channels, PUBLIC_CHANNEL, PUBLIC_SINCE)
  return channels
}

/** What a user may read now. `roleOf` undefined: there is no such role. */
export function readerOf(
  user: Appointed & { readonly name: string; readonly seq: number },
  grants: Grants,
  roleOf: (name: string) => Appointed | undefined,
): Reader {
  const { name, seq } = user
  const ownChannels = channelsOf(user, name, grants)
  const roles = new Map(user.roles)
  for (const [role, since] of grants.roleGrants.of(name))
    addTimed(roles, role, Math.max(since, user.backSince))
  const channels = new Map(ownChannels)
  for (const [role, since] of roles) {
    const appointed = roleOf(role)
    if (appointed === undefined) continue
    for (const [channel, granted] of channelsOf(appointed, `${ROLE_PREFIX}${role}`, grants)) {
      addTimed(channels, channel, Math.max(granted, since))
    }
  }
  return { name, channels, ownChannels, roles, seq }
}
