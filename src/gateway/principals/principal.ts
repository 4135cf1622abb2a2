/**
 * Users and roles of one database: data. They are kept as documents of the database itself, so that their changes have their
 * place in the one update sequence; their ids cannot be a client's, and no route reads documents of such ids.
 */
import { isPasswordHash, type PasswordHash } from '../../auth/password-hash.ts'
import type { TimedSet } from '../../channels/timed-set.ts'

export type PrincipalKind = 'user' | 'role'

export interface Principal {
  readonly kind: PrincipalKind
  readonly name: string
  /** The sequence of its last change. */
  readonly seq: number
  /** The sequence at which it came back after it had been deleted; 0 if it never was. What it was granted before counts from then. */
  readonly backSince: number
  /** Given by an administrator. */
  readonly channels: TimedSet
  /** Of a user, given by an administrator. */
  readonly roles: TimedSet
  readonly email: string | undefined
  /**
   * Of a user whom no administrator has made: by whom he said who he is when he first signed in, a network or an issuer. Nobody
   * else's word makes anybody this user, and his address was given by nobody whom the administrator trusts with other accounts.
   */
  readonly registeredBy: string | undefined
  readonly isDisabled: boolean
  /** Undefined: no password signs him in, but the empty one where `allowsEmptyPassword`. */
  readonly hash: PasswordHash | undefined
  readonly allowsEmptyPassword: boolean
}

/** What ids of the gateway's own documents begin with. */
export const OWN_PREFIX = '_sync:'
/** Behind all ids that begin so. */
export const OWN_END = '_sync;'

export function principalId(kind: PrincipalKind, name: string): string {
  return `${OWN_PREFIX}${kind}:${name}`
}

export function parsePrincipalId(id: string): { kind: PrincipalKind; name: string } | undefined {
  for (const kind of ['user', 'role'] as const) {
    const prefix = `${OWN_PREFIX}${kind}:`
    if (id.startsWith(prefix)) return { kind, name: id.slice(prefix.length) }
  }
  return undefined
}

export function newPrincipal(kind: PrincipalKind, name: string): Principal {
  return {
    kind,
    name,
    seq: 0,
    backSince: 0,
    channels: new Map(),
    roles: new Map(),
    email: undefined,
    registeredBy: undefined,
    isDisabled: false,
    hash: undefined,
    allowsEmptyPassword: false,
  }
}

export function principalText(principal: Principal): Buffer {
  const { seq, backSince, channels, roles, email, registeredBy, isDisabled, hash, allowsEmptyPassword } =
    principal
  const members = {
    seq,
    backSince,
    channels: [...channels],
    roles: [...roles],
    email,
    registeredBy,
    isDisabled,
    hash,
    allowsEmptyPassword,
  }
  return Buffer.from(JSON.stringify(members))
}

export function readPrincipal(id: string, text: Buffer): Principal {
  const { kind, name } = parsePrincipalId(id)!
  const { seq, backSince, channels, roles, email, registeredBy, isDisabled, hash, allowsEmptyPassword } =
    JSON.parse(text.toString())
  return {
    kind,
    name,
    seq,
    backSince: backSince ?? 0,
    channels: new Map(channels),
    roles: new Map(roles),
    email: email ?? undefined,
    registeredBy: registeredBy ?? undefined,
    isDisabled: isDisabled === true,
    hash: isPasswordHash(hash) ? hash : undefined,
    allowsEmptyPassword: allowsEmptyPassword === true,
  }
}
