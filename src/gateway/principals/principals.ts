/**
 * The users and roles of a database in memory, and what follows from them and from what documents grant: who may read which
 * channels since when. What is asked is answered from what is durable now.
 */

import type { GrantIndex } from '../../channels/grant-index.ts'
import { GUEST, ROLE_PREFIX } from '../../channels/names.ts'
import { channelsOf, type Reader, readerOf } from '../../channels/reader.ts'
import type { TimedSet } from '../../channels/timed-set.ts'
import { newPrincipal, type Principal } from './principal.ts'

export class Principals {
  readonly #users = new Map<string, Principal>()
  readonly #roles = new Map<string, Principal>()
  /** Names of the users to whom an administrator has given an address. */
  readonly #named = new Map<string, Set<string>>()
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

  /** The one user to whom an administrator has given that address; undefined where there is none, or more than one. */
  userOfEmail(email: string): Principal | undefined {
    const [name, ...others] = this.#named.get(email) ?? []
    return name === undefined || others.length > 0 ? undefined : this.#users.get(name)
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
    const { kind, name } = principal
    this.#takeOut({ kind, name })
    const all = kind === 'user' ? this.#users : this.#roles
    all.set(name, principal)
    const email = givenEmail(principal)
    if (email !== undefined) this.#named.set(email, (this.#named.get(email) ?? new Set()).add(name))
    this.forget()
  }

  remove({ kind, name }: Pick<Principal, 'kind' | 'name'>): void {
    this.#takeOut({ kind, name })
    this.forget()
  }

  #takeOut({ kind, name }: Pick<Principal, 'kind' | 'name'>): void {
    const all = kind === 'user' ? this.#users : this.#roles
    const before = all.get(name)
    all.delete(name)
    const email = before === undefined ? undefined : givenEmail(before)
    const names = email === undefined ? undefined : this.#named.get(email)
    names?.delete(name)
    if (names?.size === 0) this.#named.delete(email!)
  }

  /** Something that readers are computed from has changed. */
  forget(): void {
    this.#readers.clear()
    this.#onForget()
  }

  /** Channels of a role, if there is one. */
  roleChannels(name: string): TimedSet | undefined {
    const role = this.#roles.get(name)
    return role && channelsOf(role, `${ROLE_PREFIX}${name}`, this)
  }

  /** Undefined where nobody has that name. A disabled user is one. */
  reader(name: string): Reader | undefined {
    const known = this.#readers.get(name)
    if (known !== undefined) return known
    const user = this.#users.get(name)
    if (user === undefined) return undefined
    const reader = readerOf(user, this, (role) => this.#roles.get(role))
    this.#readers.set(name, reader)
    return reader
  }
}

/** The address by which a user is found. */
function givenEmail({ kind, name, email, registeredBy }: Principal): string | undefined {
  return kind === 'user' && name !== GUEST && registeredBy === undefined ? email : undefined
}
