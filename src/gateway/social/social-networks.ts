/** Signing in by social networks: which of a database's users somebody is by what his network says. */
import type { Clock } from '../../base/clock.ts'
import type { RandomBytes } from '../../base/random.ts'
import { GUEST_LABEL, isPrincipalName } from '../../channels/names.ts'
import type { FacebookConfig, GoogleConfig, SocialConfig } from '../config.ts'
import { badRequest, GatewayError } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import type { Principal } from '../principals/principal.ts'
import type { HashPassword } from '../principals/principal-writes.ts'
import { registerUser } from '../principals/register-user.ts'
import { facebookIdentity } from './facebook.ts'
import { GoogleTokens } from './google.ts'
import type { SocialIdentity, SocialUrls } from './identity.ts'

/** Who wait for an answer of a network at once. */
const MOST_ASKING = 200

export interface SocialParts {
  urls: SocialUrls
  /** For the databases that say nothing else. */
  config: SocialConfig
  random: RandomBytes
  clock: Clock
  hashPassword: HashPassword
}

export class SocialNetworks {
  readonly #parts: SocialParts
  readonly #google: GoogleTokens
  #asking = 0

  constructor(parts: SocialParts) {
    this.#parts = parts
    this.#google = new GoogleTokens(parts.urls.googleKeys, parts.clock)
  }

  /** What is configured for a database. */
  configOf({ config }: Pick<GatewayDatabase, 'config'>): SocialConfig {
    const { facebook, google } = this.#parts.config
    return { facebook: config.facebook ?? facebook, google: config.google ?? google }
  }

  /** Rejects as `facebookIdentity` does, and with 503 where too many wait. */
  facebook(config: FacebookConfig, token: string, gone: AbortSignal): Promise<SocialIdentity> {
    return this.#asked(() => facebookIdentity(this.#parts.urls.facebook, config, token, gone))
  }

  /** Rejects as `GoogleTokens` does, and with 503 where too many wait. */
  google(config: GoogleConfig, token: string): Promise<SocialIdentity> {
    return this.#asked(() => this.#google.identify(config, token))
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#asking >= MOST_ASKING) throw new GatewayError(503, 'Too many wait to sign in')
    this.#asking += 1
    try {
      return await ask()
    } finally {
      this.#asking -= 1
    }
  }

  /**
   * The name of the user that somebody is: whose name is his id, else to whom an administrator has given his address, else, where
   * that is configured, a new one. Rejects with 401 where there is none, and 400 where one cannot be made.
   */
  async userOf(
    database: GatewayDatabase,
    identity: SocialIdentity,
    { register = false }: FacebookConfig | GoogleConfig,
  ): Promise<string> {
    const { id, network, email } = identity
    if (!isPrincipalName(id) || id === GUEST_LABEL) throw noSuchUser()
    const found = userBy(database, identity)
    if (found !== undefined) return signedIn(database, found)
    if (!register) throw noSuchUser()
    if (email === undefined) throw badRequest('Cannot register new user: email is missing')
    await registerUser(database, { name: id, email, registeredBy: network }, this.#parts).catch(
      (error: unknown) => {
        // Somebody else was faster, and has made him, or another one.
        if (!(error instanceof GatewayError) || error.status !== 409) throw error
      },
    )
    return signedIn(database, userBy(database, identity))
  }
}

/** Whom one network has registered nobody is by the word of another one, though their ids be the same. Throws 401. */
function userBy(
  { principals }: GatewayDatabase,
  { id, network, email }: SocialIdentity,
): Principal | undefined {
  const named = principals.user(id)
  if (named === undefined) return email === undefined ? undefined : principals.userOfEmail(email)
  const { registeredBy = network } = named
  if (registeredBy !== network) throw noSuchUser()
  return named
}

/** Throws 401 for who is disabled. */
function signedIn(database: GatewayDatabase, user: Principal | undefined): string {
  if (user === undefined || database.reader(user.name) === undefined) throw noSuchUser()
  return user.name
}

function noSuchUser(): GatewayError {
  return new GatewayError(401, 'No such user')
}
