/**
 * A database with channels, asked by CouchDB's API in the words of a gateway's run: what an administrator of the gateway says of
 * users, roles and upkeep is said as CouchDB has it.
 */

import type { GatewayTarget } from './gateway-checks.ts'
import { SYNC } from './gateway-functions.ts'
import { type GatewayAnswer, type GatewayRequest, type GatewayServer, send } from './gateway-server.ts'

interface Given {
  admin_channels: string[]
  admin_roles?: string[]
}

export class ChannelsTarget implements GatewayTarget {
  readonly #server: () => GatewayServer
  readonly #users: Record<string, Given> = {}
  readonly #roles: Record<string, Given> = {}

  constructor(server: () => GatewayServer) {
    this.#server = server
  }

  ask(line: string, request: GatewayRequest = {}): Promise<GatewayAnswer> {
    return send(this.#server().url, line, request)
  }

  async admin(line: string, request: GatewayRequest = {}): Promise<GatewayAnswer> {
    const as = { ...request, as: 'admin:secret' }
    const [method, path] = line.split(' ') as [string, string]
    const [, database, endpoint, name] = path.split('/')
    if (method === 'PUT' && endpoint === '') {
      const made = await this.ask(`PUT /${database}`, { as: as.as })
      await this.#setSecurity()
      return made
    }
    if (endpoint === '_user') return this.#putUser(name!, request.body as Given)
    if (endpoint === '_role') return this.#changeRole(name!, request.body as Given | undefined)
    if (endpoint === '_purge') return this.#purge(Object.keys(request.body as object)[0]!)
    if (endpoint === '_compact') return saying(200, await this.ask(line, { ...as, body: {} }), 202)
    const answer = await this.ask(line, as)
    const isTombstone = method === 'PUT' && (request.body as { _deleted?: boolean })._deleted === true
    return isTombstone ? saying(201, answer, 200) : answer
  }

  #setSecurity(): Promise<GatewayAnswer> {
    const body = { members: {}, channels: true, sync: SYNC, users: this.#users, roles: this.#roles }
    return this.ask('PUT /db/_security', { as: 'admin:secret', body })
  }

  /** CouchDB has the user, and `_security` what he is given. */
  async #putUser(name: string, { admin_channels, admin_roles }: Given): Promise<GatewayAnswer> {
    if (this.#users[name] === undefined) {
      const body = { name, password: 'password', roles: [], type: 'user' }
      await this.ask(`PUT /_users/org.couchdb.user:${name}`, { as: 'admin:secret', body })
    }
    this.#users[name] = { admin_channels, admin_roles: admin_roles ?? [] }
    return this.#setSecurity()
  }

  async #changeRole(name: string, given: Given | undefined): Promise<GatewayAnswer> {
    const was = this.#roles[name] !== undefined
    if (given === undefined) delete this.#roles[name]
    else this.#roles[name] = given
    const answer = await this.#setSecurity()
    return given === undefined && !was ? { ...answer, status: 404 } : answer
  }

  async #purge(id: string): Promise<GatewayAnswer> {
    const leaves = await this.ask(`GET /db/${id}?open_revs=all`, { as: 'admin:secret' })
    if (leaves.status !== 200) return { ...leaves, json: { purged: {} } }
    const revs = leaves.json.map(({ ok }: { ok: { _rev: string } }) => ok._rev)
    return this.ask('POST /db/_purge', { as: 'admin:secret', body: { [id]: revs } })
  }
}

/** The answer as the gateway has it, which says `status` where CouchDB says `couchdb`. */
function saying(status: number, answer: GatewayAnswer, couchdb: number): GatewayAnswer {
  return answer.status === couchdb ? { ...answer, status } : answer
}
