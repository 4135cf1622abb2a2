/**
 * A database that is deleted and made again under one name, while others use it. What holds: between an acknowledged creation
 * and the next deletion it is there for everybody, with what was acknowledged in it and nothing of what was in it before; from
 * an acknowledged deletion to the next creation it is there for nobody.
 */
import type { Random } from '../../test/support/random.ts'
import { Client, type Traffic } from './traffic.ts'

const CUT_SETTLES_MS = 300
const MOST_STAY_MS = 500

/** What is known of it. `changes` rises with each change that begins and each that ends. */
export class RemadeDatabase {
  readonly name: string
  phase: 'there' | 'gone' | 'changing' = 'gone'
  changes = 0
  /** False after a cut until the next change: the one that was cut off may still be carried out. */
  isSure = true
  /** Documents acknowledged since it was made. */
  readonly written = new Set<string>()
  /** Documents acknowledged in those before. */
  readonly lost = new Set<string>()

  constructor(name: string) {
    this.name = name
  }

  turn(phase: RemadeDatabase['phase'], isSure = true): void {
    this.phase = phase
    this.isSure = isSure
    this.changes += 1
    if (phase === 'there') return
    for (const id of this.written) this.lost.add(id)
    this.written.clear()
  }
}

export class RemakingClient {
  readonly #traffic: Traffic
  readonly #client: Client
  readonly #database: RemadeDatabase
  remade = 0

  constructor(traffic: Traffic, database: RemadeDatabase) {
    this.#traffic = traffic
    this.#client = new Client(traffic)
    this.#database = database
  }

  close(): void {
    this.#client.close()
  }

  async work(random: Random): Promise<void> {
    while (!this.#traffic.over) {
      this.#client.maybeRenew(random)
      await this.#change()
      await new Promise((resolve) => setTimeout(resolve, random.int(MOST_STAY_MS)))
    }
  }

  async #change(): Promise<void> {
    const database = this.#database
    const path = `/${database.name}`
    if (database.phase === 'changing') return this.find()
    const { isSure } = database
    const deletes = database.phase === 'there'
    database.turn('changing')
    const reply = await this.#client.json(deletes ? 'DELETE' : 'PUT', path)
    if (reply === undefined) return this.find()
    // What was cut off was carried out after it had been looked for: the database is what it was to become.
    const isLate = !isSure && reply.status === (deletes ? 404 : 412)
    if (isLate) database.lost.clear()
    else if (reply.status >= 300) throw new Error(`${deletes ? 'DELETE' : 'PUT'} ${path}: ${reply.text}`)
    database.turn(deletes ? 'gone' : 'there')
    this.remade += deletes ? 0 : 1
  }

  /** After a cut: which of both it became. */
  async find(): Promise<void> {
    const database = this.#database
    if (database.phase !== 'changing') return
    await new Promise((resolve) => setTimeout(resolve, CUT_SETTLES_MS))
    const reply = await this.#client.json('GET', `/${database.name}`)
    if (reply === undefined) return
    database.turn(reply.status === 404 ? 'gone' : 'there', false)
    // It may be the one from before, whose deletion was never begun.
    if (reply.status !== 404) database.lost.clear()
  }
}

export class VisitingClient {
  readonly #name: string
  readonly #traffic: Traffic
  readonly #client: Client
  readonly #database: RemadeDatabase
  #writes = 0
  visits = 0

  constructor(name: string, traffic: Traffic, database: RemadeDatabase) {
    this.#name = name
    this.#traffic = traffic
    this.#client = new Client(traffic)
    this.#database = database
  }

  close(): void {
    this.#client.close()
  }

  async work(random: Random): Promise<void> {
    while (!this.#traffic.over) {
      this.#client.maybeRenew(random)
      const kind = random.int(5)
      if (kind < 2) await this.#write()
      else if (kind === 2) await this.look()
      else if (kind === 3) await this.#readOne(random)
      else await this.#names()
    }
  }

  /** Runs a request; undefined when the database changed meanwhile, or the answer did not come. */
  async #while<T>(method: string, path: string, body?: unknown) {
    const { phase, changes, isSure } = this.#database
    const reply = await this.#client.json<T>(method, path, { body })
    if (reply === undefined || !isSure || this.#database.changes !== changes || phase === 'changing')
      return undefined
    this.visits += 1
    return { ...reply, phase }
  }

  async #write(): Promise<void> {
    const { name, written } = this.#database
    this.#writes += 1
    const id = `${this.#name}-${this.#writes}`
    const reply = await this.#while('PUT', `/${name}/${id}`, { id })
    if (reply === undefined) return
    if (reply.status !== (reply.phase === 'there' ? 201 : 404))
      throw new Error(`a write to ${name}, which is ${reply.phase}: ${reply.text}`)
    if (reply.phase === 'there') written.add(id)
  }

  async look(): Promise<void> {
    const { name, written, lost } = this.#database
    const before = [...written]
    const lostBefore = [...lost]
    const reply = await this.#while<{ rows: { id: string }[] }>('GET', `/${name}/_all_docs`)
    if (reply === undefined) return
    if (reply.status !== (reply.phase === 'there' ? 200 : 404))
      throw new Error(`_all_docs of ${name}, which is ${reply.phase}: ${reply.text}`)
    if (reply.phase === 'gone') return
    const seen = new Set(reply.body.rows.map(({ id }) => id))
    const missing = before.find((id) => !seen.has(id))
    if (missing !== undefined) throw new Error(`${name} does not show ${missing}`)
    const back = lostBefore.find((id) => seen.has(id))
    if (back !== undefined) throw new Error(`${name} shows ${back}, which was deleted with the one before`)
  }

  async #readOne(random: Random): Promise<void> {
    const { name, written, lost } = this.#database
    const isWritten = written.size > 0 && random.bool(0.7)
    const ids = isWritten ? [...written] : [...lost]
    if (ids.length === 0) return
    const id = random.pick(ids)
    const reply = await this.#while('GET', `/${name}/${id}`)
    if (reply === undefined) return
    const wanted = isWritten && reply.phase === 'there' ? 200 : 404
    if (reply.status !== wanted)
      throw new Error(`GET ${id} of ${name}, which is ${reply.phase}: ${reply.text}`)
  }

  async #names(): Promise<void> {
    const { name } = this.#database
    const reply = await this.#while<string[]>('GET', '/_all_dbs')
    if (reply !== undefined && reply.body.includes(name) !== (reply.phase === 'there'))
      throw new Error(`_all_dbs, and ${name} is ${reply.phase}: ${reply.text}`)
  }
}
