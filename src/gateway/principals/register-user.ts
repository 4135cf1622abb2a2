/** Users who make themselves, by signing in elsewhere for the first time. */
import { type RandomBytes, randomHex } from '../../base/random.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { type HashPassword, readWish, savePrincipal } from './principal-writes.ts'

const PASSWORD_BYTES = 32

export interface Registration {
  name: string
  email: string | undefined
  /** Who says that he is it. */
  registeredBy: string
}

/** Makes a user with a password that nobody knows. Rejects with 409 where there is one of that name, whoever made it. */
export async function registerUser(
  database: GatewayDatabase,
  { name, email, registeredBy }: Registration,
  { random, hashPassword }: { random: RandomBytes; hashPassword: HashPassword },
): Promise<void> {
  const password = randomHex(random, PASSWORD_BYTES)
  const wish = { ...readWish('user', name, { password, email }), registeredBy }
  await savePrincipal(database, wish, hashPassword, { mustBeNew: true })
}
