/** Random writes, grants and revocations, each against the model; what a user sees then is looked at after every step (gateway-checks). */
import { createHash } from 'node:crypto'
import {
  DB,
  expect,
  type GatewayApi,
  GatewayChecks,
  type GatewayTarget,
  NO_SECRET,
  PASSWORD,
} from './gateway-checks.ts'
import { FUNCTIONS, SYNC } from './gateway-functions.ts'
import { GatewayModel, type ModelRevision } from './gateway-model.ts'
import type { GatewayAnswer } from './gateway-server.ts'
import type { Random } from './random.ts'
import { until } from './until.ts'

const USERS = ['ann', 'bob', 'eve', 'joe']
const ROLES = ['editors', 'readers']
const CHANNELS = ['a', 'b', 'c', 'd', '__proto__']
const DOCUMENTS = 12

interface Content {
  secret: string
  channels: string[]
  access: [string, string[]][]
  roles: [string, string[]][]
  _attachments: unknown
}

export class GatewayRun {
  /** Of the step that is being played. */
  #random: Random
  readonly #target: () => GatewayTarget
  readonly #model: GatewayModel
  readonly #api: GatewayApi
  readonly #checks: GatewayChecks
  #secrets = 0
  /** Steps by what they were. */
  readonly counts = new Map<string, number>()

  constructor(
    random: Random,
    target: () => GatewayTarget,
    {
      model = new GatewayModel(FUNCTIONS[0]!),
      api = 'gateway',
    }: { model?: GatewayModel; api?: GatewayApi } = {},
  ) {
    this.#random = random
    this.#target = target
    this.#model = model
    this.#api = api
    this.#checks = new GatewayChecks(random, target, model, api)
    model.rolesAreGiven = api === 'gateway'
  }

  /** The same, as it is now, for a copy of the database that goes its own way. */
  fork(random: Random, target: () => GatewayTarget): GatewayRun {
    const copy = new GatewayRun(random, target, { model: this.#model.copy(), api: this.#api })
    copy.#secrets = this.#secrets
    for (const [name, { since, revs }] of this.#checks.replicas)
      copy.#checks.replicas.set(name, { since, revs: new Map(revs) })
    return copy
  }

  async begin(): Promise<void> {
    const made = await this.#target().admin(`PUT ${DB}/`, { body: { sync: SYNC } })
    expect(made.status === 201, 'the database was made', made.text)
    for (const name of USERS) await this.#putUser(name)
    for (const name of ROLES) await this.#putRole(name)
  }

  /** One step, drawn from `random`; of those of that name, if one is given. */
  async step(random: Random, wanted?: string): Promise<void> {
    this.#random = random
    const steps = this.#steps.filter(([name]) => wanted === undefined || name === wanted)
    const [name, play] = this.#random.pick(steps)
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    await play()
    await this.check(this.#random.pick(USERS))
  }

  /** What one user sees. */
  check(name: string): Promise<void> {
    return this.#checks.check(name, this.#id(), this.#random)
  }

  async checkAll(): Promise<void> {
    if (this.#api === 'gateway') await this.#checkFunction()
    for (const name of USERS) await this.check(name)
  }

  readonly #steps: readonly [string, () => Promise<void>][] = [
    ['write', () => this.#write()],
    ['write', () => this.#write()],
    ['write', () => this.#write()],
    ['grant', () => this.#write({ grants: true })],
    ['grant', () => this.#write({ grants: true })],
    ['delete', () => this.#delete()],
    ['conflict', () => this.#conflict()],
    ['refused', () => this.#refused()],
    ['guarded', () => this.#guarded()],
    ['user', () => this.#putUser(this.#random.pick(USERS))],
    ['role', () => this.#putRole(this.#random.pick(ROLES))],
    ['role gone', () => this.#deleteRole(this.#random.pick(ROLES))],
    ['attachment', () => this.#attach()],
    ['stolen stub', () => this.#steal()],
    ['purge', () => this.#purge()],
    ['compaction', () => this.#compact()],
    ['function', () => this.#changeFunction()],
    ['resync', () => this.#resync()],
  ]

  #some<T>(items: readonly T[], most = 2): T[] {
    return this.#random.shuffle([...items]).slice(0, this.#random.int(most + 1))
  }

  async #putUser(name: string): Promise<void> {
    const channels = this.#random.bool(0.1) ? ['*'] : this.#some(CHANNELS)
    const roles = this.#some(ROLES, 1)
    const body = { password: PASSWORD, admin_channels: channels, admin_roles: roles }
    const { status, text } = await this.#target().admin(`PUT ${DB}/_user/${name}`, { body })
    expect(status < 300, `user ${name}`, text)
    this.#model.users.set(name, { channels: new Set(channels), roles: new Set(roles) })
  }

  async #putRole(name: string): Promise<void> {
    const channels = this.#some(CHANNELS)
    const { status, text } = await this.#target().admin(`PUT ${DB}/_role/${name}`, {
      body: { admin_channels: channels },
    })
    expect(status < 300, `role ${name}`, text)
    this.#model.roles.set(name, new Set(channels))
  }

  async #deleteRole(name: string): Promise<void> {
    const { status, text } = await this.#target().admin(`DELETE ${DB}/_role/${name}`)
    expect(status === (this.#model.roles.has(name) ? 200 : 404), `role ${name} goes`, text)
    this.#model.roles.delete(name)
  }

  #id(): string {
    return `doc${this.#random.int(DOCUMENTS)}`
  }

  #content({ grants = false } = {}): Content {
    this.#secrets += 1
    const secret = `secret${String(this.#secrets).padStart(6, '0')}`
    const channels = this.#random.bool(0.05) ? [this.#random.pick(['*', '!'])] : this.#some(CHANNELS, 3)
    const access: [string, string[]][] = []
    const roles: [string, string[]][] = []
    if (grants) {
      const who = this.#random.pick([...USERS, ...ROLES.map((role) => `role:${role}`)])
      if (this.#random.bool(0.7)) access.push([who, this.#some(CHANNELS)])
      else roles.push([this.#random.pick(USERS), [`role:${this.#random.pick(ROLES)}`]])
    }
    const data = Buffer.from(secret).toString('base64')
    return { secret, channels, access, roles, _attachments: { a: { data, content_type: 'text/plain' } } }
  }

  #remember(
    id: string,
    rev: string,
    parent: string | undefined,
    deleted: boolean,
    content: Content,
    isGuarded = false,
  ): void {
    const { secret, channels, access, roles } = content
    this.#model.add(id, { rev, parent, deleted, body: { channels, access, roles }, secret, isGuarded })
  }

  /** An administrator or a user writes on top of the winner, or another leaf. */
  async #write({ grants = false } = {}): Promise<void> {
    const id = this.#id()
    const leaves = this.#model.leaves(id)
    const leaf = leaves.length > 0 && this.#random.bool(0.8) ? leaves[0] : this.#oneOf(leaves)
    const content = this.#content({ grants })
    const query = leaf === undefined ? '' : `?rev=${leaf.rev}`
    const request = { body: content }
    const name = this.#random.bool() ? undefined : this.#random.pick(USERS)
    const answer =
      name === undefined
        ? await this.#target().admin(`PUT ${DB}/${id}${query}`, request)
        : await this.#target().ask(`PUT ${DB}/${id}${query}`, { ...request, as: `${name}:${PASSWORD}` })
    if (this.#isBlind(id, name, leaf, answer)) return
    expect(answer.status === 201, `write ${id}${query}`, answer.text)
    this.#remember(id, answer.json.rev, leaf?.rev, false, content)
  }

  /** In CouchDB a document that is deleted takes no revision on top of another one. */
  #takesNone(id: string): boolean {
    return this.#api === 'couchdb' && this.#model.winner(id)?.deleted === true
  }

  /** By CouchDB's API nobody replaces a revision that he may not see, but a deletion of which he was told. */
  #isBlind(
    id: string,
    name: string | undefined,
    replaced: ModelRevision | undefined,
    { status, text }: GatewayAnswer,
  ): boolean {
    if (this.#takesNone(id)) {
      expect(status === 409, `a write of ${id}, which is deleted`, text)
      return true
    }
    if (this.#api === 'gateway' || name === undefined || replaced === undefined) return false
    if (this.#model.maySee(name, replaced)) return false
    if (replaced.deleted && status !== 409) return false
    expect(status === 409, `${name} replaces what he may not see`, text)
    return true
  }

  #oneOf(leaves: readonly ModelRevision[]): ModelRevision | undefined {
    return leaves.length === 0 ? undefined : this.#random.pick(leaves)
  }

  #someone(): string {
    return `${this.#random.pick(USERS)}:${PASSWORD}`
  }

  async #delete(): Promise<void> {
    const id = this.#id()
    const leaf = this.#oneOf(this.#model.leaves(id))
    if (leaf === undefined || this.#takesNone(id)) return
    if (this.#random.bool()) {
      const { status, text, json } = await this.#target().admin(`DELETE ${DB}/${id}?rev=${leaf.rev}`)
      expect(status === 200, `delete ${id}`, text)
      const content = { ...this.#content(), secret: NO_SECRET, channels: [], access: [], roles: [] }
      this.#remember(id, json.rev, leaf.rev, true, content)
      return
    }
    const content = this.#content()
    const { status, text, json } = await this.#target().admin(`PUT ${DB}/${id}?rev=${leaf.rev}`, {
      body: { ...content, _deleted: true },
    })
    expect(status === 201, `a tombstone of ${id}`, text)
    this.#remember(id, json.rev, leaf.rev, true, content)
  }

  /** Revisions of another replica, which fork anywhere. */
  async #conflict(): Promise<void> {
    const id = this.#id()
    const known = [...(this.#model.documents.get(id)?.values() ?? [])]
    const parent = known.length > 0 && this.#random.bool(0.8) ? this.#random.pick(known) : undefined
    const ancestors = parent === undefined ? [] : this.#pathOf(id, parent)
    const start = ancestors.length === 0 ? 1 : Number(ancestors[0]!.split('-')[0]) + 1
    const hash = Buffer.from(this.#random.bytes(16)).toString('hex')
    const rev = `${start}-${hash}`
    const content = this.#content({ grants: this.#random.bool(0.3) })
    const deleted = this.#random.bool(0.2)
    const ids = [hash, ...ancestors.map((each) => each.split('-')[1]!)]
    const body = {
      new_edits: false,
      docs: [
        {
          _id: id,
          _rev: rev,
          ...content,
          ...(deleted ? { _deleted: true } : {}),
          _revisions: { start, ids },
        },
      ],
    }
    const { text, json } = await this.#target().ask(`POST ${DB}/_bulk_docs`, {
      body,
      as: this.#someone(),
    })
    const isWritten = this.#api === 'gateway' ? json?.[0]?.rev === rev : json?.length === 0
    expect(isWritten, `a conflict in ${id}`, text)
    this.#remember(id, rev, parent?.rev, deleted, content)
  }

  #pathOf(id: string, from: ModelRevision): string[] {
    const path: string[] = []
    for (let each: ModelRevision | undefined = from; each !== undefined; ) {
      path.push(each.rev)
      each = each.parent === undefined ? undefined : this.#model.documents.get(id)!.get(each.parent)
    }
    return path
  }

  async #refused(): Promise<void> {
    const id = this.#id()
    const rev = this.#model.winner(id)?.rev
    const body = { ...this.#content(), refused: true, ...(rev === undefined ? {} : { _rev: rev }) }
    const name = this.#random.pick(USERS)
    const answer = await this.#target().ask(`PUT ${DB}/${id}`, { body, as: `${name}:${PASSWORD}` })
    if (this.#isBlind(id, name, this.#model.winner(id), answer)) return
    expect(answer.status === 403, `a refused write of ${id}`, answer.text)
  }

  async #guarded(): Promise<void> {
    const id = this.#id()
    const parent = this.#model.winner(id)
    const name = this.#random.pick(USERS)
    const content = this.#content()
    const body = { ...content, guarded: true, ...(parent === undefined ? {} : { _rev: parent.rev }) }
    const channels = this.#model.channelsOf(name)
    const answer = await this.#target().ask(`PUT ${DB}/${id}`, { body, as: `${name}:${PASSWORD}` })
    if (this.#isBlind(id, name, parent, answer)) return
    const { status, text, json } = answer
    const isAllowed = content.channels.some((channel) => channels.has(channel))
    expect(status === (isAllowed ? 201 : 403), `a guarded write of ${id}`, text)
    if (isAllowed) this.#remember(id, json.rev, parent?.rev, false, content, true)
  }

  /** An attachment that is put by itself keeps the document's channels, and is of the new revision. */
  async #attach(): Promise<void> {
    const id = this.#id()
    const winner = this.#model.winner(id)
    if (winner === undefined || winner.deleted) return
    const name = this.#random.pick(USERS)
    const content = this.#content()
    const { status, text, json } = await this.#target().ask(`PUT ${DB}/${id}/b?rev=${winner.rev}`, {
      text: content.secret,
      headers: { 'content-type': 'text/plain' },
      as: `${name}:${PASSWORD}`,
    })
    const isSeen = this.#model.maySee(name, winner)
    // Having all channels is not having this one, where the function asks for it.
    const channelsNow = this.#model.channelsOf(name)
    const isRefused = winner.isGuarded && !winner.body.channels.some((channel) => channelsNow.has(channel))
    const isAllowed = isSeen && !isRefused
    const unseen = this.#api === 'gateway' ? 404 : 409
    expect(status === (isAllowed ? 201 : isSeen ? 403 : unseen), `an attachment of ${id}`, text)
    if (!isAllowed) return
    const { body, isGuarded, secret, bodySecret = secret } = winner
    const { rev } = json
    const made = {
      rev,
      parent: winner.rev,
      deleted: false,
      body,
      secret: content.secret,
      bodySecret,
      isGuarded,
    }
    this.#model.add(id, made)
  }

  /** Who may not see a revision does not get its attachment by a stub in a revision of his own, on top of it or beside it. */
  async #steal(): Promise<void> {
    const id = this.#id()
    const name = this.#random.pick(USERS)
    const leaf = this.#oneOf(this.#model.leaves(id).filter((each) => !this.#model.maySee(name, each)))
    if (leaf === undefined || leaf.secret === NO_SECRET) return
    const sha1 = createHash('sha1').update(leaf.secret).digest('base64')
    const digest = this.#random.bool() ? { digest: `sha1-${sha1}` } : {}
    const content = { ...this.#content(), channels: ['!'], _attachments: { a: { stub: true, ...digest } } }
    const as = `${name}:${PASSWORD}`
    const put = await this.#target().ask(`PUT ${DB}/${id}?rev=${leaf.rev}`, { body: content, as })
    const isGateway = this.#api === 'gateway'
    const refusals = isGateway ? [400] : [409, 412]
    expect(refusals.includes(put.status), `${name} puts a stub of ${id} ${leaf.rev}`, put.text)
    const [generation, hash] = leaf.rev.split('-') as [string, string]
    const _revisions = { start: Number(generation) + 1, ids: ['abc', hash] }
    const body = { new_edits: false, docs: [{ _id: id, ...content, _revisions }] }
    const { json, text } = await this.#target().ask(`POST ${DB}/_bulk_docs`, { body, as })
    const isRefused = isGateway ? json?.[0]?.status === 400 : json?.[0]?.error === 'missing_stub'
    expect(isRefused, `${name} replicates a stub of ${id} ${leaf.rev}`, text)
  }

  async #purge(): Promise<void> {
    if (this.#random.bool(0.7)) return
    const id = this.#id()
    const { json, text } = await this.#target().admin(`POST ${DB}/_purge`, { body: { [id]: ['*'] } })
    expect((json?.purged[id] !== undefined) === this.#model.documents.has(id), `purge ${id}`, text)
    this.#model.documents.delete(id)
    // Clients do not hear of it.
    for (const { revs } of this.#checks.replicas.values()) revs.delete(id)
  }

  async #compact(): Promise<void> {
    if (this.#random.bool(0.7)) return
    const { status, text } = await this.#target().admin(`POST ${DB}/_compact`)
    expect(status === 200, 'compact', text)
  }

  /** What an administrator does while the database is offline. */
  async #offline(work: () => Promise<void>): Promise<void> {
    const turn = async (line: string): Promise<void> => {
      const { status, text } = await this.#target().admin(`POST ${DB}/${line}`)
      expect(status === 200, line, text)
    }
    await turn('_offline')
    await work()
    await turn('_online')
  }

  /** Another function holds for what is written from now on. */
  async #changeFunction(): Promise<void> {
    if (this.#api !== 'gateway') return
    const next = this.#random.pick(FUNCTIONS)
    await this.#offline(async () => {
      const body = { sync: next.source }
      const { status, text } = await this.#target().admin(`PUT ${DB}/_config`, { body })
      expect(status === 201, 'another function', text)
    })
    this.#model.takeFunction(next)
  }

  /** The function is run over what is there. Feeds are not told, so clients begin anew. */
  async #resync(): Promise<void> {
    if (this.#api !== 'gateway') return
    await this.#offline(async () => {
      const { status, text, json } = await this.#target().admin(`POST ${DB}/_resync`)
      expect(status === 200 && typeof json?.changes === 'number', 'resync', text)
    })
    this.#model.resync()
    this.#checks.replicas.clear()
  }

  /** Which function is in force, and whether all is under it; one that was broken off by a crash goes on, and is waited for. */
  async #checkFunction(): Promise<void> {
    const target = this.#target()
    await until('the database is online', async () => {
      const { json } = await target.admin(`GET ${DB}/`)
      return json?.state === 'Online'
    })
    const config = await target.admin(`GET ${DB}/_config`)
    expect(config.json?.sync === this.#model.function.source, 'the function in force', config.text)
    const { json, text } = await target.admin(`GET ${DB}/_resync`)
    const wanted = this.#model.isMixed ? 'required' : 'completed'
    expect(json?.status === wanted, `${wanted} wanted`, text)
  }
}
