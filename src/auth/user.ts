import type { PasswordHash } from './password-hash.ts'

/** Who asks. CouchDB's userCtx. */
export interface UserCtx {
  /** Null for somebody who did not sign in. */
  readonly name: string | null
  readonly roles: readonly string[]
}

/** The role of server administrators. */
export const ADMIN_ROLE = '_admin'

/** The role of those who read figures of the server, and nothing else. */
export const METRICS_ROLE = '_metrics'

export const ANONYMOUS: UserCtx = { name: null, roles: [] }

export function isServerAdmin(user: UserCtx): boolean {
  return user.roles.includes(ADMIN_ROLE)
}

/**
 * Somebody who can sign in. Immutable: a changed password is another object, which is how caches of checked
 * credentials notice it.
 */
export interface Credential {
  readonly name: string
  readonly roles: readonly string[]
  readonly hash: PasswordHash
}

/** Where credentials are looked up at every check. */
export interface CredentialSource {
  find(name: string): Credential | undefined | Promise<Credential | undefined>
}
