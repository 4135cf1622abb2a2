/** Clients that wait for changes, and go on where they were when the connection is cut. */
import type { Random } from '../../test/support/random.ts'
import type { ChangesBody } from './document-client.ts'
import { type ChangeRow, ChangesView, type SharedDatabase } from './shared-database.ts'
import { Client, parsed, shown, type Traffic } from './traffic.ts'

const POLL_MS = 500
const BEAT_MS = 1000

/** Asks by longpoll as long as the load lasts. */
export class PollingClient {
  readonly #traffic: Traffic
  readonly #client: Client
  readonly #database: SharedDatabase
  readonly #view: ChangesView

  constructor(traffic: Traffic, database: SharedDatabase) {
    this.#traffic = traffic
    this.#client = new Client(traffic)
    this.#database = database
    this.#view = new ChangesView(database)
  }

  get rows(): number {
    return this.#view.rows
  }

  close(): void {
    this.#client.close()
  }

  async work(random: Random): Promise<void> {
    while (!this.#traffic.over) {
      this.#client.maybeRenew(random)
      await this.poll()
    }
  }

  async poll(): Promise<void> {
    const floors = this.#database.floors()
    const { name } = this.#database
    const path = `/${name}/_changes?feed=longpoll&timeout=${POLL_MS}&include_docs=true&since=${this.#view.since}`
    const reply = await this.#client.ask('GET', path)
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`${path}: ${shown(reply)}`)
    const body = parsed<ChangesBody>(reply)
    for (const row of body.results) this.#view.take(row, 'a longpoll')
    this.#view.reach(body.last_seq, 'a longpoll')
    this.#view.requireWhole(floors, 'a longpoll')
  }
}

/** Holds a continuous feed open, from the first event to the last. */
export class ContinuousClient {
  readonly #traffic: Traffic
  readonly #client: Client
  readonly #database: SharedDatabase
  readonly #view: ChangesView
  readonly #where: string
  #ended = false
  #running: Promise<void> = Promise.resolve()
  /** What the feed did wrong; thrown by whoever looks next. */
  #failure: unknown
  resumed = 0

  constructor(traffic: Traffic, database: SharedDatabase, number: number) {
    this.#traffic = traffic
    this.#client = new Client(traffic)
    this.#database = database
    this.#view = new ChangesView(database)
    this.#where = `continuous feed ${number} of ${database.name}`
  }

  get rows(): number {
    return this.#view.rows
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error
    })
  }

  async close(): Promise<void> {
    this.#ended = true
    this.#client.close()
    await this.#running
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The document that it has not been told the last of. */
  gap(): string | undefined {
    const gap = this.#view.gap(this.#database.floors())
    return gap === undefined ? undefined : `${this.#where}: ${gap}`
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      const what = await this.#follow().catch((error: unknown) => {
        if (error instanceof Wrong) throw error
        return (error as Error).message
      })
      if (this.#ended) return
      this.#traffic.noteCut(`${this.#where}: ${what}`, this.#client.localPort, this.#client.begunMs)
      this.#client.renew()
      this.resumed += 1
      await this.#traffic.reconnect()
    }
  }

  /** Resolves with how the feed ended; rejects with Wrong for what it should not have said, else with what cut it. */
  async #follow(): Promise<string> {
    const { name } = this.#database
    const path = `/${name}/_changes?feed=continuous&heartbeat=${BEAT_MS}&include_docs=true&since=${this.#view.since}`
    const response = await this.#client.open('GET', path, {})
    response.setEncoding('utf8')
    let rest = ''
    for await (const chunk of response) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line !== '') this.#take(line, response.statusCode!)
    }
    return 'it ended'
  }

  #take(line: string, status: number): void {
    try {
      if (status === 503 && this.#traffic.ending) return
      if (status !== 200) throw new Error(`${status} ${line}`)
      const row = JSON.parse(line) as ChangeRow | { last_seq: string }
      if ('last_seq' in row) this.#view.reach(row.last_seq, this.#where)
      else this.#view.take(row, this.#where)
    } catch (error) {
      throw new Wrong(`${this.#where}: ${(error as Error).message}`, { cause: error })
    }
  }
}

class Wrong extends Error {}
