/**
 * What users of a gateway, or of a database with channels, are answered, against the model:
 * - Nothing that a user is answered has a secret of a revision that he may not see, by any route.
 * - He sees every document that he may see: by itself, in `_all_docs`, and in `_changes`, from the beginning and from where he
 *   was, however he got to see it.
 */
import type { GatewayModel } from './gateway-model.ts'
import type { GatewayAnswer, GatewayRequest } from './gateway-server.ts'
import type { Random } from './random.ts'

/** Where requests go. */
export interface GatewayTarget {
  ask(line: string, request?: GatewayRequest): Promise<GatewayAnswer>
  admin(line: string, request?: GatewayRequest): Promise<GatewayAnswer>
}

/** By which the target is asked: a target of CouchDB's takes the gateway's requests for users, roles and upkeep. */
export type GatewayApi = 'gateway' | 'couchdb'

export const DB = '/db'
export const PASSWORD = 'password'
/** Of a revision without a body. */
export const NO_SECRET = 'no secret'

class Difference extends Error {}

/** Throws where it is not so. */
export function expect(isRight: boolean, what: string, found?: unknown): asserts isRight {
  if (!isRight) throw new Difference(`${what}: ${typeof found === 'string' ? found : JSON.stringify(found)}`)
}

/** What a client has that pulls. */
interface Replica {
  since: string
  revs: Map<string, string>
}

export class GatewayChecks {
  /** Of the step that is being played. */
  #random: Random
  readonly #target: () => GatewayTarget
  readonly #model: GatewayModel
  readonly #api: GatewayApi
  /** By the name of the user. */
  readonly replicas = new Map<string, Replica>()

  constructor(random: Random, target: () => GatewayTarget, model: GatewayModel, api: GatewayApi) {
    this.#random = random
    this.#target = target
    this.#model = model
    this.#api = api
  }

  async #ask(name: string, line: string, request: GatewayRequest = {}): Promise<GatewayAnswer> {
    const answer = await this.#target().ask(line, { ...request, as: `${name}:${PASSWORD}` })
    const leaks = this.#model.leaks(name, answer.text)
    expect(leaks.length === 0, `${name} was told by ${line}`, { leaks, text: answer.text })
    return answer
  }

  /** What one user sees, of the document `id` above all. */
  async check(name: string, id: string, random: Random): Promise<void> {
    this.#random = random
    const visible = this.#model.visible(name)
    await this.#checkDocument(name, id)
    await this.#checkListing(name, visible)
    await this.#checkChanges(name, visible)
    await this.#checkBulkGet(name)
    if (this.#api === 'couchdb') await this.#checkFind(name, visible)
  }

  async #checkFind(name: string, visible: ReadonlyMap<string, string>): Promise<void> {
    const body = { selector: { secret: { $gt: null } }, fields: ['_id', '_rev', 'secret'], limit: 100 }
    const { json, text } = await this.#ask(name, `POST ${DB}/_find`, { body })
    const found = json?.docs?.map(({ _id, _rev }: { _id: string; _rev: string }) => [_id, _rev])
    const wanted = [...visible].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(JSON.stringify(found) === JSON.stringify(wanted), `${name} finds`, text)
  }

  async #checkDocument(name: string, id: string): Promise<void> {
    const winner = this.#model.winner(id)
    const { status, json } = await this.#ask(name, `GET ${DB}/${id}`)
    const isSeen = winner !== undefined && this.#model.maySee(name, winner)
    const hidden = this.#api === 'couchdb' && winner?.deleted ? 404 : 403
    const wanted = winner === undefined ? 404 : !isSeen ? hidden : winner.deleted ? 404 : 200
    expect(status === wanted, `${name} gets ${id}, ${wanted} wanted`, status)
    if (status === 200) expect(json._rev === winner!.rev, `${name} gets ${id}`, json)
    await this.#ask(name, `GET ${DB}/${id}?attachments=true&revs=true`)
    await this.#ask(name, `GET ${DB}/${id}/a`)
    await this.#ask(name, `GET ${DB}/${id}/b`)
    await this.#ask(name, `GET ${DB}/${id}?open_revs=all&attachments=true`)
    await this.#ask(name, `POST ${DB}/_revs_diff`, { body: { [id]: ['9-a'] } })
    const revisions = [...(this.#model.documents.get(id)?.values() ?? [])]
    const isLeaf = new Set(this.#model.leaves(id).map(({ rev }) => rev))
    for (const revision of this.#random.shuffle(revisions).slice(0, 3)) {
      const { rev, secret } = revision
      const answer = await this.#ask(name, `GET ${DB}/${id}?rev=${rev}&attachments=true`)
      await this.#ask(name, `GET ${DB}/${id}/a?rev=${rev}`)
      // Bodies of revisions that are no leaves go with compactions.
      if (!isLeaf.has(rev)) continue
      const shows =
        answer.text.includes(secret) || answer.text.includes(Buffer.from(secret).toString('base64'))
      expect(
        shows === (this.#model.maySee(name, revision) && secret !== NO_SECRET),
        `${name} gets ${id} ${rev}`,
        answer.text,
      )
    }
  }

  async #checkListing(name: string, visible: ReadonlyMap<string, string>): Promise<void> {
    const { json } = await this.#ask(name, `GET ${DB}/_all_docs?include_docs=true&channels=true`)
    const listed = json.rows.map((row: { id: string; value: { rev: string } }) => [row.id, row.value.rev])
    const wanted = [...visible].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(
      JSON.stringify(listed) === JSON.stringify(wanted),
      `${name} lists, wanted ${JSON.stringify(wanted)}`,
      listed,
    )
  }

  async #checkChanges(name: string, visible: ReadonlyMap<string, string>): Promise<void> {
    const fresh: Replica = { since: '0', revs: new Map() }
    await this.#pull(name, fresh, 1 + this.#random.int(5))
    this.#compare(name, fresh, visible, 'from the beginning')
    let replica = this.replicas.get(name)
    if (replica === undefined) {
      replica = { since: '0', revs: new Map() }
      this.replicas.set(name, replica)
    }
    await this.#pull(name, replica, 1 + this.#random.int(20))
    this.#compare(name, replica, visible, `up to ${replica.since}`)
  }

  async #pull(name: string, replica: Replica, limit: number): Promise<void> {
    for (let round = 0; ; round++) {
      expect(round < 1000, `${name} gets no end of changes`, replica.since)
      const query = `since=${replica.since}&limit=${limit}&include_docs=true&style=all_docs`
      const { json, text } = await this.#ask(name, `GET ${DB}/_changes?${query}`)
      expect(Array.isArray(json?.results), `${name} asks for changes`, text)
      for (const row of json.results) {
        if (row.id.startsWith('_user/')) continue
        if (row.deleted || row.removed !== undefined) replica.revs.delete(row.id)
        else replica.revs.set(row.id, row.changes[0].rev)
      }
      replica.since = json.last_seq
      if (json.results.length < limit) return
    }
  }

  #compare(name: string, { revs }: Replica, visible: ReadonlyMap<string, string>, what: string): void {
    for (const [id, rev] of visible) {
      expect(revs.get(id) === rev, `${name} has ${id} ${what}, ${rev} wanted`, revs.get(id) ?? null)
    }
  }

  async #checkBulkGet(name: string): Promise<void> {
    const docs: unknown[] = []
    for (const [id, revisions] of this.#model.documents) {
      docs.push({ id })
      for (const rev of revisions.keys()) docs.push({ id, rev })
    }
    const headers = { accept: 'multipart/mixed' }
    await this.#ask(name, `POST ${DB}/_bulk_get?attachments=true&revs=true`, {
      body: { docs },
      headers,
    })
  }
}
