/** Writes what is no document of the ordinary kind: a local document, the security object, a member by patches. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../test/support/random.ts'
import { Caller, type Life, type Reply } from './life.ts'
import { type NumberedDatabase, Register } from './numbered.ts'

export const CONTENDED = 'contended'
/** No revision guards the security object: a write that was cut off is given the time to be done before the next. */
const UNGUARDED_MS = 500
const PATCHES = ['application/merge-patch+json', 'application/json-patch+json']

export interface Local {
  _rev: string
  number: number
}

export interface Security {
  members: { names: string[] }
}

export function numberOfSecurity({ members }: Security): number {
  return Number(members?.names?.[0]?.slice(1) ?? 0)
}

export class SettingWriter {
  readonly #database: NumberedDatabase
  readonly #name: string
  readonly #random: Random
  readonly #local: Register
  readonly #member: Register
  readonly #ownsSecurity: boolean
  #localRev: string | undefined

  constructor(database: NumberedDatabase, name: string, ownsSecurity: boolean, random: Random) {
    this.#database = database
    this.#name = name
    this.#random = random
    this.#ownsSecurity = ownsSecurity
    this.#local = new Register()
    database.locals.set(name, this.#local)
    this.#member = new Register()
    database.members.set(name, this.#member)
  }

  async run(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    try {
      while (life.goesOn) await this.#step(caller)
      while (this.#isInDoubt && life.isUp) await this.#settle(caller)
    } finally {
      caller.close()
    }
  }

  get #isInDoubt(): boolean {
    const { security } = this.#database
    return this.#local.isInDoubt || this.#member.isInDoubt || (this.#ownsSecurity && security.isInDoubt)
  }

  async #settle(caller: Caller): Promise<void> {
    if (this.#local.isInDoubt) await this.#writeLocal(caller)
    if (this.#member.isInDoubt) await this.#patch(caller)
    if (this.#ownsSecurity && this.#database.security.isInDoubt) await this.#secure(caller)
  }

  #step(caller: Caller): Promise<void> {
    const draw = this.#random.float()
    if (draw < 0.6) return this.#patch(caller)
    return draw < 0.8 || !this.#ownsSecurity ? this.#writeLocal(caller) : this.#secure(caller)
  }

  async #writeLocal(caller: Caller): Promise<void> {
    const path = `/${this.#database.name}/_local/${this.#name}`
    if (this.#local.isInDoubt) {
      const reply = await caller.send('GET', path)
      if (reply === undefined) return
      this.#localRev = reply.status === 200 ? (JSON.parse(String(reply.bytes)) as Local)._rev : undefined
    }
    const wasInDoubt = this.#local.isInDoubt
    const number = this.#local.begin()
    const body = { ...(this.#localRev !== undefined && { _rev: this.#localRev }), number }
    const reply = await caller.send('PUT', path, body)
    if (reply === undefined || (reply.status === 409 && wasInDoubt)) return
    if (this.#isGood(caller, `PUT ${path}`, reply)) {
      this.#localRev = (JSON.parse(String(reply.bytes)) as { rev: string }).rev
      this.#local.acknowledge(number)
      caller.life.coverage.count('localWrites')
    }
  }

  async #secure(caller: Caller): Promise<void> {
    const { security, name } = this.#database
    if (security.isInDoubt) await delay(UNGUARDED_MS)
    const number = security.begin()
    const body = { admins: { names: [], roles: [] }, members: { names: [`n${number}`], roles: [] } }
    const reply = await caller.send('PUT', `/${name}/_security`, body)
    if (reply !== undefined && this.#isGood(caller, '_security', reply)) {
      security.acknowledge(number)
      caller.life.coverage.count('securityWrites')
    }
  }

  async #patch(caller: Caller): Promise<void> {
    const path = `/${this.#database.name}/${CONTENDED}`
    const number = this.#member.begin()
    const type = this.#random.pick(PATCHES)
    const patch =
      type === PATCHES[0] ? { [this.#name]: number } : [{ op: 'add', path: `/${this.#name}`, value: number }]
    const reply = await caller.send('PATCH', path, patch, type)
    if (reply !== undefined && this.#isGood(caller, `PATCH ${path}`, reply)) {
      this.#member.acknowledge(number)
      caller.life.coverage.count('patches')
    }
  }

  #isGood(caller: Caller, what: string, { status, bytes }: Reply): boolean {
    if (status >= 300) caller.life.fault(`${what}: ${status} ${bytes}`)
    return status < 300
  }
}
