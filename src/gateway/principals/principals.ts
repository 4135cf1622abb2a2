/**
 * The users and roles of a database in memory, and what follows from them and from what documents grant: who may read which
 * channels since when. What is asked is answered from what is durable now.
 */

import { GUEST, PUBLIC_CHANNEL, ROLE_PREFIX } from '../names.ts'
import type { GrantIndex } from '../store/grant-index.ts'
import { addTimed, type TimedSet } from '../timed-set.ts'
import { newPrincipal, type Principal } from './principal.ts'
import type { Reader } from './reader.ts'

/** Everybody has the public channel since before anything was written. */
const PUBLIC_SINCE = 1

export class Principals {
  readonly #users = new Map<string, Principal>()
  readonly #roles = new Map<string, Principal>()
  /** Channels by user, or `role:` and role. */
  readonly channelGrants: GrantIndex
  /** Roles by user. */
  readonly roleGrants: GrantIndex
  /** Computed since the last change. */
  readonly #readers = new Map<string, Reader>()
  readonly #onForget: () => void

  /** `onForget` is called when readers may be others than they were. */
  constructor(channelGrants: GrantIndex, roleGrants: GrantIndex, onForget: () => void) {
    this.#onForget = onForget
    this.channelGrants = channelGrants
    this.roleGrants = roleGrants
    const guest = { ...newPrincipal('user', GUEST), isDisabled: true }
    this.#users.set(GUEST, guest)
  }

  user(name: string): Principal | undefined {
    return this.#users.get(name)
  }

  role(name: string): Principal | undefined {
    return this.#roles.get(name)
  }

  find({ kind, name }: Pick<Principal, 'kind' | 'name'>): Principal | undefined {
    return kind === 'user' ? this.user(name) : this.role(name)
  }

  /** Names in order, without GUEST's. */
  names(kind: Principal['kind']): string[] {
    const names =
      kind === 'user' ? [...this.#users.keys()].filter((name) => name !== GUEST) : [...this.#roles.keys()]
    return names.sort()
  }

  put(principal: Principal): void {
    const all = principal.kind === 'user' ? this.#users : this.#roles
    all.set(principal.name, principal)
    this.forget()
  }

  remove({ kind, name }: Pick<Principal, 'kind' | 'name'>): void {
    const all = kind === 'user' ? this.#users : this.#roles
    all.delete(name)
    this.forget()
  }

  /** Something that readers are computed from has changed. */
  forget(): void {
    this.#readers.clear()
    this.#onForget()
  }

  /** Channels of a role, if there is one. */
  roleChannels(name: string): TimedSet | undefined {
    const role = this.#roles.get(name)
    return role && this.#own(role, `${ROLE_PREFIX}${name}`)
  }

  /** Undefined where nobody has that name. A disabled user is one. */
  reader(name: string): Reader | undefined {
    const known = this.#readers.get(name)
    if (known !== undefined) return known
    const user = this.#users.get(name)
    if (user === undefined) return undefined
    const ownChannels = this.#own(user, name)
    const roles = new Map(user.roles)
    for (const [role, seq] of this.roleGrants.of(name)) addTimed(roles, role, Math.max(seq, user.backSince))
    const channels = new Map(ownChannels)
    for (const [role, since] of roles) {
      for (const [channel, seq] of this.roleChannels(role) ?? [])
        addTimed(channels, channel, Math.max(seq, since))
    }
    const reader = { name, channels, ownChannels, roles, seq: user.seq }
    this.#readers.set(name, reader)
    return reader
  }

  #own(principal: Principal, granted: string): TimedSet {
    const channels = new Map(principal.channels)
    for (const [channel, seq] of this.channelGrants.of(granted)) {
      addTimed(channels, channel, Math.max(seq, principal.backSince))
    }
    addTimed(channels, PUBLIC_CHANNEL, PUBLIC_SINCE)
    return channels
  }
}
