/**
 * Whether what somebody has signed in with still signs him in: what is asked of a request that goes on. What holds: it is answered
 * from memory, as often as it is asked; what was changed by a request that is answered is known to it.
 */
import type { Principal } from './principal.ts'
import type { Principals } from './principals.ts'
import type { Sessions } from './sessions.ts'

/** Asked whenever more is to be shown. */
export type Standing = () => boolean

/** From now on: while the user is there, enabled, and has the password that he has now. */
export function userStanding(database: { readonly principals: Principals }, name: string): Standing {
  const before = passwordOf(database.principals.user(name))
  return () => before !== undefined && passwordOf(database.principals.user(name)) === before
}

/** While the session is his. One that only grows old meanwhile is: what goes on renews none, as other requests of his would. */
export function sessionStanding(
  database: { readonly sessions: Sessions },
  secret: string,
  user: string,
): Standing {
  return () => database.sessions.isOf(secret, user)
}

/** A text that another password has another one of; undefined for who signs in with none. */
function passwordOf(user: Principal | undefined): string | undefined {
  if (user === undefined || user.isDisabled) return undefined
  const { hash, allowsEmptyPassword } = user
  return hash === undefined ? String(allowsEmptyPassword) : `${hash.salt} ${hash.derivedKey}`
}
