/**
 * What one client alone raises and all read: a local document, `_security` and what it allows, `_revs_limit`, an attachment,
 * and a member of a document that all patch at once.
 */
import type { Random } from '../../test/support/random.ts'
import { Register } from './register.ts'
import { Client, shown, type Traffic } from './traffic.ts'

export const SIDE = 'side'
const PATCHED = `/${SIDE}/patched`
const MERGE_PATCH = 'application/merge-patch+json'
const JSON_PATCH = 'application/json-patch+json'
/** A request whose connection was cut may be carried out still; after so long it has been. */
const CUT_SETTLES_MS = 300
const BINARY = 'application/octet-stream'
const LENGTHS = [0, 100, 5000, 70_000, 300_000]
const LEAST_REVS_LIMIT = 2000
const HEAD_BYTES = 4

/** All numbers, by what they are of; the settings of the database belong to the first client. */
export class SideNumbers {
  readonly security = new Register('_security')
  readonly revsLimit = new Register('_revs_limit')
  readonly locals: readonly Register[]
  readonly patches: readonly Register[]
  readonly attachments: readonly Register[]

  constructor(clients: number) {
    const make = (name: string) => Array.from({ length: clients }, (_, at) => new Register(`${name} ${at}`))
    this.locals = make('_local')
    this.patches = make('the patched member')
    this.attachments = make('the attachment of')
  }
}

/** The bytes of an attachment say which it is. */
function contentOf(number: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + LENGTHS[number % LENGTHS.length]!, number % 251)
  bytes.writeUInt32BE(number)
  return bytes
}

export class SideClient {
  readonly #at: number
  readonly #numbers: SideNumbers
  readonly #traffic: Traffic
  readonly #client: Client
  /** What the owner's next write replaces. */
  #localRev: string | undefined
  #attachedRev: string | undefined
  /** Paths of which a write may still be done, since its answer did not come. */
  readonly #inDoubt = new Set<string>()
  acknowledged = 0
  reads = 0

  constructor(at: number, traffic: Traffic, numbers: SideNumbers) {
    this.#at = at
    this.#numbers = numbers
    this.#traffic = traffic
    this.#client = new Client(traffic)
  }

  close(): void {
    this.#client.close()
  }

  async work(random: Random): Promise<void> {
    while (!this.#traffic.over) {
      this.#client.maybeRenew(random)
      const kind = random.int(100)
      if (kind < 12) await this.#putLocal()
      else if (kind < 27) await this.#attach(random.bool(0.4))
      else if (kind < 50) await this.#patch()
      else if (kind < 58 && this.#at === 0) await this.#secure()
      else if (kind < 62 && this.#at === 0) await this.#limit()
      else await this.#readOne(random.int(6), random.int(this.#numbers.locals.length))
    }
  }

  /** Reads everything. */
  async compare(): Promise<void> {
    for (let what = 0; what < 6; what++) {
      for (let at = 0; at < this.#numbers.locals.length; at++) await this.#readOne(what, at)
    }
  }

  async #readOne(what: number, at: number): Promise<void> {
    this.reads += 1
    if (what === 0) await this.#readLocal(at)
    else if (what === 1) await this.#readAttachment(at)
    else if (what === 2) await this.#readPatched()
    else if (what === 3) await this.#readSecurity()
    else if (what === 4) await this.#readLimit()
    else await this.#readAnonymously()
  }

  /** One write of a register. Whether it was acknowledged; a cut is waited out. */
  async #write(
    register: Register,
    number: number,
    method: string,
    path: string,
    options: { body: unknown; type?: string },
  ): Promise<{ status: number; body: { rev?: string } } | undefined> {
    const reply = await this.#client.json<{ rev?: string }>(method, path, options)
    if (reply === undefined) {
      await new Promise((resolve) => setTimeout(resolve, CUT_SETTLES_MS))
      return undefined
    }
    if (reply.status < 300) {
      register.acknowledge(number)
      this.acknowledged += 1
    } else if (reply.status !== 409) throw new Error(`${method} ${path}: ${reply.text}`)
    return reply
  }

  /** What the next write replaces. A conflict has a cause: an earlier write, whose answer never came, was done late. */
  async #next(
    path: string,
    replaced: string | undefined,
    reply: { status: number; body: { rev?: string } } | undefined,
  ): Promise<string | undefined> {
    if (reply !== undefined && reply.status < 300) {
      this.#inDoubt.delete(path)
      return reply.body.rev
    }
    if (reply?.status === 409 && replaced !== undefined && !this.#inDoubt.has(path))
      throw new Error(`${path} was in conflict, but nobody else writes it`)
    if (reply === undefined) this.#inDoubt.add(path)
    const found = await this.#client.json<{ _rev: string }>('GET', path)
    if (found?.status !== 200) return undefined
    if (reply?.status === 409 && found.body._rev === replaced)
      throw new Error(`${path} was in conflict with nothing: ${replaced} is the newest`)
    return found.body._rev
  }

  async #putLocal(): Promise<void> {
    const register = this.#numbers.locals[this.#at]!
    const path = `/${SIDE}/_local/of-${this.#at}`
    const number = register.send()
    const body = { number, ...(this.#localRev && { _rev: this.#localRev }) }
    const reply = await this.#write(register, number, 'PUT', path, { body })
    this.#localRev = await this.#next(path, this.#localRev, reply)
  }

  async #readLocal(at: number): Promise<void> {
    const register = this.#numbers.locals[at]!
    const { floor } = register
    const path = `/${SIDE}/_local/of-${at}`
    const reply = await this.#client.json<{ number: number }>('GET', path)
    if (reply === undefined) return
    if (reply.status !== 200 && reply.status !== 404) throw new Error(`GET ${path}: ${reply.text}`)
    register.observe(floor, reply.status === 404 ? 0 : reply.body.number, `GET ${path}`)
  }

  async #attach(isInline: boolean): Promise<void> {
    const register = this.#numbers.attachments[this.#at]!
    const path = `/${SIDE}/attached-${this.#at}`
    const number = register.send()
    const query = this.#attachedRev === undefined ? '' : `?rev=${this.#attachedRev}`
    const content = contentOf(number)
    const inline = { _attachments: { it: { content_type: BINARY, data: content.toString('base64') } } }
    const reply = isInline
      ? await this.#write(register, number, 'PUT', `${path}${query}`, { body: inline })
      : await this.#write(register, number, 'PUT', `${path}/it${query}`, { body: content, type: BINARY })
    this.#attachedRev = await this.#next(path, this.#attachedRev, reply)
  }

  async #readAttachment(at: number): Promise<void> {
    const register = this.#numbers.attachments[at]!
    const { floor } = register
    const path = `/${SIDE}/attached-${at}/it`
    const reply = await this.#client.ask('GET', path)
    if (reply === undefined) return
    if (reply.status === 404) return register.observe(floor, 0, `GET ${path}`)
    if (reply.status !== 200) throw new Error(`GET ${path}: ${shown(reply)}`)
    const number = reply.bytes.length < HEAD_BYTES ? -1 : reply.bytes.readUInt32BE()
    register.observe(floor, number, `GET ${path}`)
    if (!reply.bytes.equals(contentOf(number)))
      throw new Error(`GET ${path}: number ${number} has ${reply.bytes.length} other bytes`)
  }

  async #patch(): Promise<void> {
    const register = this.#numbers.patches[this.#at]!
    const number = register.send()
    const member = `of-${this.#at}`
    const options =
      number % 2 === 0
        ? { body: { [member]: number }, type: MERGE_PATCH }
        : { body: [{ op: 'add', path: `/${member}`, value: number }], type: JSON_PATCH }
    const reply = await this.#write(register, number, 'PATCH', PATCHED, options)
    if (reply?.status === 409) throw new Error('a short patch was in conflict')
  }

  async #readPatched(): Promise<void> {
    const floors = this.#numbers.patches.map(({ floor }) => floor)
    const reply = await this.#client.json<Record<string, number>>('GET', PATCHED)
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`GET ${PATCHED}: ${reply.text}`)
    for (const [at, register] of this.#numbers.patches.entries())
      register.observe(floors[at]!, reply.body[`of-${at}`] ?? 0, `GET ${PATCHED}`)
  }

  /** An even number lets everybody read, an odd one does not. */
  async #secure(): Promise<void> {
    const register = this.#numbers.security
    const number = register.send()
    const members = { names: number % 2 === 0 ? [] : ['somebody'], roles: [] }
    const body = { admins: { names: [], roles: [] }, members, number }
    await this.#write(register, number, 'PUT', `/${SIDE}/_security`, { body })
  }

  async #readSecurity(): Promise<void> {
    const register = this.#numbers.security
    const { floor } = register
    const reply = await this.#client.json<{ number?: number }>('GET', `/${SIDE}/_security`)
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`GET _security: ${reply.text}`)
    register.observe(floor, reply.body.number ?? 0, 'GET _security')
  }

  /** What `_security` allows is what it says, at once and everywhere. */
  async #readAnonymously(): Promise<void> {
    const { security } = this.#numbers
    const { floor } = security
    const reply = await this.#client.json('GET', `/${SIDE}`, { anonymous: true })
    if (reply === undefined || security.sent !== floor) return
    const isOpen = floor > 0 && floor % 2 === 0
    if ((reply.status === 200) !== isOpen)
      throw new Error(`without credentials: ${reply.text}, with _security number ${floor}`)
  }

  async #limit(): Promise<void> {
    const register = this.#numbers.revsLimit
    const number = register.send()
    await this.#write(register, number, 'PUT', `/${SIDE}/_revs_limit`, { body: LEAST_REVS_LIMIT + number })
  }

  async #readLimit(): Promise<void> {
    const register = this.#numbers.revsLimit
    const { floor } = register
    const reply = await this.#client.json<number>('GET', `/${SIDE}/_revs_limit`)
    if (reply === undefined) return
    const number = reply.body === 1000 ? 0 : reply.body - LEAST_REVS_LIMIT
    register.observe(floor, number, 'GET _revs_limit')
  }
}
