/**
 * One life of the server process, as its clients see it: where it listens, what has been done to it so far, and what they
 * found wrong. A request may break off only where a front or the process was ended since its connection was last good.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpClient } from '../../test/support/http-client.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'

const HANG_MS = 30_000
const CONNECTIONS = 3
const SHOWN_FAULTS = 5
/** A connection is given up so often, so that the next lands on another front. */
const RECONNECTS = 0.03

export interface Reply {
  readonly status: number
  readonly bytes: Buffer
}

export class Life {
  readonly port: number
  readonly coverage: Coverage
  readonly #faults: string[] = []
  /** Rises when an end begins and when it is complete. */
  #ends = 0
  #endings = 0
  /** The clients are to come to an end, each with its writes acknowledged. */
  isOver = false
  /** The process is being ended: nothing more is to be had of it. */
  isDying = false

  constructor(port: number, coverage: Coverage) {
    this.port = port
    this.coverage = coverage
  }

  get faults(): readonly string[] {
    return this.#faults
  }

  /** Whether clients are to go on. */
  get goesOn(): boolean {
    return !this.isOver && this.isUp
  }

  /** Whether requests may still be answered. */
  get isUp(): boolean {
    return !this.isDying && this.#faults.length === 0
  }

  fault(text: string): void {
    if (this.#faults.length < SHOWN_FAULTS) this.#faults.push(text.replace(/x{9,}/g, 'x...'))
  }

  /** Tells what `problem` says, if it says anything. */
  check(where: string, problem: string | undefined): void {
    this.coverage.count('checkedReads')
    if (problem !== undefined) this.fault(`${where}: ${problem}`)
  }

  get ends(): number {
    return this.#ends
  }

  /** `end` ends connections. */
  async disturb(end: () => Promise<unknown>): Promise<void> {
    this.#ends += 1
    this.#endings += 1
    await end()
    this.#endings -= 1
    this.#ends += 1
  }

  isExcused(endsBefore: number): boolean {
    return this.isDying || this.#endings > 0 || this.#ends !== endsBefore
  }

  /** Where every client is done, or one found a fault. */
  async all(works: readonly Promise<void>[]): Promise<void> {
    await Promise.all(
      works.map((work) =>
        work.catch((error: unknown) => this.fault(error instanceof Error ? `${error.stack}` : String(error))),
      ),
    )
  }
}

/** One connection at a time, and how good it was last. */
class Connection {
  readonly #life: Life
  #client: HttpClient
  #endsBefore: number

  constructor(life: Life) {
    this.#life = life
    this.#client = new HttpClient(life.port)
    this.#endsBefore = life.ends
  }

  async send(method: string, path: string, body?: unknown, type?: string): Promise<Reply | undefined> {
    const life = this.#life
    const hang = new AbortController()
    try {
      const reply = await Promise.race([
        this.#client.bytes(method, path, body, type),
        delay(HANG_MS, undefined, { signal: hang.signal }),
      ])
      this.#tell(method, path, reply)
      return reply ?? undefined
    } catch (error) {
      if (!life.isExcused(this.#endsBefore)) life.fault(`${method} ${path} was cut off: ${String(error)}`)
      life.coverage.count('cutRequests')
      this.renew()
      // What comes next would only find the same where there is no server any more.
      await delay(5)
      return undefined
    } finally {
      hang.abort()
    }
  }

  #tell(method: string, path: string, reply: Reply | undefined): void {
    const life = this.#life
    if (reply === undefined) life.fault(`${method} ${path} hangs`)
    else {
      life.coverage.count('requests')
      this.#endsBefore = life.ends
      if (reply.status >= 500 && !life.isDying)
        life.fault(`${method} ${path}: ${reply.status} ${reply.bytes}`)
    }
  }

  renew(): void {
    this.#client.close()
    this.#client = new HttpClient(this.#life.port)
    this.#endsBefore = this.#life.ends
  }

  close(): void {
    this.#client.close()
  }
}

/** A few connections of one client, each on some front; a request takes any of them. */
export class Caller {
  readonly life: Life
  readonly #random: Random
  readonly #connections: readonly Connection[]

  constructor(life: Life, random: Random, connections = CONNECTIONS) {
    this.life = life
    this.#random = random
    this.#connections = Array.from({ length: connections }, () => new Connection(life))
  }

  /** Undefined where the connection was cut, which the life excused or told of. A 500 while dying is one of those. */
  async send(method: string, path: string, body?: unknown, type?: string): Promise<Reply | undefined> {
    const connection = this.#random.pick(this.#connections)
    if (this.#random.bool(RECONNECTS)) connection.renew()
    const reply = await connection.send(method, path, body, type)
    return reply === undefined || reply.status >= 500 ? undefined : reply
  }

  /** The answer as JSON; undefined where there was none. Tells a fault for another status than the given. */
  async json<T>(method: string, path: string, body?: unknown, ...good: number[]): Promise<T | undefined> {
    const reply = await this.send(method, path, body)
    if (reply === undefined) return undefined
    const wanted = good.length > 0 ? good : [200, 201, 202]
    if (wanted.includes(reply.status)) return JSON.parse(String(reply.bytes)) as T
    this.life.fault(`${method} ${path}: ${reply.status} ${reply.bytes}`)
    return undefined
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
  }
}
