/**
 * What a gateway's database must show to whom, as plainly as it can be said: all revisions of all documents, and who has which
 * channels now. Every revision has a secret, a text that is in nothing else but in what was made of it: an attachment that is put
 * by itself makes a revision with the body of the one before.
 */

/** What a body asks of the sync function, or what that said. */
export interface ModelOutput {
  readonly channels: readonly string[]
  /** Channels by user or `role:` and role. */
  readonly access: readonly [string, readonly string[]][]
  /** Roles, as `role:` and role, by user. */
  readonly roles: readonly [string, readonly string[]][]
}

/** A sync function, as its text and as what it makes of a body. */
export interface ModelFunction {
  readonly source: string
  output(body: ModelOutput): ModelOutput
}

export interface ModelRevision extends ModelOutput {
  rev: string
  parent: string | undefined
  deleted: boolean
  /** As the body has it: the other members are what the function in force said of it. */
  body: ModelOutput
  secret: string
  /** The secret of the body, where that is an earlier revision's. */
  bodySecret?: string | undefined
  /** The sync function asks whoever writes for one of the channels that the body names. */
  isGuarded: boolean
}

export interface ModelUser {
  channels: Set<string>
  roles: Set<string>
}

export class GatewayModel {
  readonly documents = new Map<string, Map<string, ModelRevision>>()
  readonly users = new Map<string, ModelUser>()
  readonly roles = new Map<string, Set<string>>()
  /** The sync function in force. */
  function: ModelFunction
  /** Documents may have been written under another one. */
  isMixed = false
  /** Roles are there once an administrator has made them; otherwise any name is a role. */
  rolesAreGiven = true
  /** By secret the revisions that have it, by id and revision. */
  readonly #secrets = new Map<string, Map<string, ModelRevision>>()

  constructor(sync: ModelFunction) {
    this.function = sync
  }

  /** As it is now. */
  copy(): GatewayModel {
    const copy = new GatewayModel(this.function)
    copy.isMixed = this.isMixed
    copy.rolesAreGiven = this.rolesAreGiven
    for (const [id, revisions] of this.documents) copy.documents.set(id, new Map(revisions))
    for (const [name, user] of this.users) copy.users.set(name, user)
    for (const [name, channels] of this.roles) copy.roles.set(name, channels)
    for (const [secret, revisions] of this.#secrets) copy.#secrets.set(secret, new Map(revisions))
    return copy
  }

  /** Another function is in force for what is written from now on. */
  takeFunction(next: ModelFunction): void {
    if (next.source !== this.function.source) this.isMixed ||= this.documents.size > 0
    this.function = next
  }

  /** The function in force is run over all leaves. */
  resync(): void {
    this.isMixed = false
    for (const id of this.documents.keys()) {
      for (const leaf of this.leaves(id)) this.#put(id, { ...leaf, ...this.function.output(leaf.body) })
    }
  }

  add(id: string, revision: Omit<ModelRevision, keyof ModelOutput>): void {
    this.#put(id, { ...revision, ...this.function.output(revision.body) })
  }

  #put(id: string, revision: ModelRevision): void {
    let revisions = this.documents.get(id)
    if (revisions === undefined) {
      revisions = new Map()
      this.documents.set(id, revisions)
    }
    revisions.set(revision.rev, revision)
    if (!revision.deleted || revision.channels.length > 0 || revision.secret.startsWith('secret')) {
      this.#note(revision.secret, id, revision)
    }
    if (revision.bodySecret !== undefined) this.#note(revision.bodySecret, id, revision)
  }

  #note(secret: string, id: string, revision: ModelRevision): void {
    const revisions = this.#secrets.get(secret) ?? new Map<string, ModelRevision>()
    this.#secrets.set(secret, revisions.set(`${id} ${revision.rev}`, revision))
  }

  /** The winner first. */
  leaves(id: string): ModelRevision[] {
    const all = [...(this.documents.get(id)?.values() ?? [])]
    const parents = new Set(all.map(({ parent }) => parent))
    return all.filter(({ rev }) => !parents.has(rev)).sort((a, b) => (wins(a, b) ? -1 : 1))
  }

  winner(id: string): ModelRevision | undefined {
    return this.leaves(id)[0]
  }

  channelsOf(name: string): Set<string> {
    const user = this.users.get(name)!
    const roles = new Set([
      ...user.roles,
      ...this.#granted('roles', name).map((role) => role.slice('role:'.length)),
    ])
    const channels = new Set(['!', ...user.channels, ...this.#granted('access', name)])
    for (const role of roles) {
      const ofRole = this.roles.get(role) ?? (this.rolesAreGiven ? undefined : [])
      if (ofRole === undefined) continue
      for (const channel of [...ofRole, ...this.#granted('access', `role:${role}`)]) channels.add(channel)
    }
    return channels
  }

  #granted(kind: 'access' | 'roles', name: string): string[] {
    const granted: string[] = []
    for (const id of this.documents.keys()) {
      for (const [who, what] of this.winner(id)?.[kind] ?? []) if (who === name) granted.push(...what)
    }
    return granted.filter((each) => each !== '*')
  }

  maySee(name: string, revision: ModelRevision): boolean {
    const channels = this.channelsOf(name)
    return channels.has('*') || revision.channels.some((channel) => channels.has(channel))
  }

  /** Live documents that a user is to see, with their revisions. */
  visible(name: string): Map<string, string> {
    const found = new Map<string, string>()
    for (const id of this.documents.keys()) {
      const winner = this.winner(id)!
      if (!winner.deleted && this.maySee(name, winner)) found.set(id, winner.rev)
    }
    return found
  }

  /** Secrets in a text that a user may not see; as they stand, and in base64. */
  leaks(name: string, text: string): string[] {
    const found: string[] = []
    for (const [secret, revisions] of this.#secrets) {
      const isThere = text.includes(secret) || text.includes(Buffer.from(secret).toString('base64'))
      if (isThere && ![...revisions.values()].some((each) => this.maySee(name, each))) found.push(secret)
    }
    return found
  }
}

function wins(a: ModelRevision, b: ModelRevision): boolean {
  if (a.deleted !== b.deleted) return b.deleted
  const [generationA, idA] = a.rev.split('-') as [string, string]
  const [generationB, idB] = b.rev.split('-') as [string, string]
  if (generationA !== generationB) return Number(generationA) > Number(generationB)
  return idA > idB
}
