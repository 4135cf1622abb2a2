/** What the HTTP layer is given of a server, in the shapes of its ports. */
import type { IncomingHttpHeaders } from 'node:http'
import { isDatabaseAdmin, isMember, parseSecurity } from '../auth/security.ts'
import type { UserCtx } from '../auth/user.ts'
import type { Database } from '../database/api.ts'
import type { NameRange } from '../server/name-index.ts'
import type { Server } from '../server/server.ts'

interface User extends UserCtx {
  readonly handler?: 'cookie' | 'default' | undefined
}

export interface Accounts {
  /** With `tolerant`, a malformed Authorization header is an anonymous request. */
  authenticate(
    headers: IncomingHttpHeaders,
    options?: { tolerant?: boolean },
  ): Promise<{ user: User; setCookie: string | undefined }>
  /** Undefined where name or password are wrong. */
  login(name: string, password: string): Promise<{ user: User; setCookie: string } | undefined>
  logoutCookie(): string
}

export interface DatabaseLease {
  readonly database: Database
  readonly shards: number | undefined
  /** Aborted when the database is deleted or the server stops. */
  readonly signal: AbortSignal
  isMember(user: UserCtx): boolean
  isAdmin(user: UserCtx): boolean
  release(): void
}

export interface Databases {
  lease(name: string): Promise<DatabaseLease>
  create(name: string, options: { shards?: number | undefined }): Promise<void>
  delete(name: string): Promise<void>
  names(range: NameRange): string[]
  readonly generation: number
}

export function accountsOf(server: Server): Accounts {
  const { authenticator } = server
  return {
    async authenticate(headers, options) {
      const { authorization, cookie } = headers
      const { user, handler, setCookie } = await authenticator.authenticate(
        { authorization, cookie },
        options,
      )
      return { user: { ...user, handler }, setCookie }
    },
    login: (name, password) => authenticator.login(name, password),
    logoutCookie: () => authenticator.logout(),
  }
}

export function databasesOf(server: Server): Databases {
  const { databases } = server
  return {
    async lease(name) {
      const lease = await databases.lease(name)
      try {
        const security = parseSecurity(lease.database.security())
        return {
          database: lease.database,
          shards: databases.shardsOf(name),
          signal: lease.signal,
          isMember: (user) => isMember(user, security),
          isAdmin: (user) => isDatabaseAdmin(user, security),
          release: lease.release,
        }
      } catch (error) {
        lease.release()
        throw error
      }
    },
    create: (name, options) => databases.create(name, options),
    delete: (name) => databases.delete(name),
    names: (range) => databases.list(range),
    get generation() {
      return databases.generation
    },
  }
}
