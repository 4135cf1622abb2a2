/** A server with threads, all clients, and what is done to it meanwhile. */
import { systemClock } from '../../src/base/clock.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import { DocumentClient } from './document-client.ts'
import { ContinuousClient, PollingClient } from './feed-client.ts'
import type { TakenPort } from './messages.ts'
import { RemadeDatabase, RemakingClient, VisitingClient } from './remade-database.ts'
import { Serving } from './serving.ts'
import { SharedDatabase } from './shared-database.ts'
import { SIDE, SideClient, SideNumbers } from './side-client.ts'
import { Client, type Traffic } from './traffic.ts'

const DATABASES = 2
const DOCUMENTS = 6
const DOCUMENT_CLIENTS = 6
const SIDE_CLIENTS = 3
const VISITORS = 3
const FEEDS = 3
const LEAST_LOAD_MS = 300
const MOST_LOAD_MS = 2000
/** Connections that look at everything when the load has ended: enough for each front to have some. */
const LOOKS = 6
/** What was on its way when a front was killed is done by then. */
const SETTLE_MS = 300
const FEED_MS = 10_000
const COMPACTIONS = 0.5

type Disturbance = 'none' | 'fronts' | 'kill' | 'stop'
const DISTURBANCES: readonly Disturbance[] = ['none', 'fronts', 'fronts', 'fronts', 'kill', 'stop']

export class ThreadsRun {
  readonly #folder: string
  readonly #threads: number
  readonly #traffic: Traffic
  readonly #coverage: Coverage
  readonly #databases: readonly SharedDatabase[]
  readonly #remade = new RemadeDatabase('remade')
  readonly #documents: readonly DocumentClient[]
  readonly #side: readonly SideClient[]
  readonly #polls: readonly PollingClient[]
  readonly #feeds: readonly ContinuousClient[]
  readonly #remaking: RemakingClient
  readonly #visitors: readonly VisitingClient[]
  #serving: Serving
  /** What is being done to the server may start another process of it. */
  #disturbed: Promise<void> = Promise.resolve()

  constructor(folder: string, threads: number, traffic: Traffic, coverage: Coverage) {
    this.#folder = folder
    this.#threads = threads
    this.#traffic = traffic
    this.#coverage = coverage
    const times = <T>(count: number, make: (at: number) => T): T[] =>
      Array.from({ length: count }, (_, at) => make(at))
    const databases = times(DATABASES, (at) => new SharedDatabase(`shared${at}`, DOCUMENTS))
    const numbers = new SideNumbers(SIDE_CLIENTS)
    this.#databases = databases
    this.#documents = times(DOCUMENT_CLIENTS, (at) => new DocumentClient(`client${at}`, traffic, databases))
    this.#side = times(SIDE_CLIENTS, (at) => new SideClient(at, traffic, numbers))
    this.#polls = databases.map((database) => new PollingClient(traffic, database))
    this.#feeds = databases.flatMap((database) =>
      times(FEEDS, (at) => new ContinuousClient(traffic, database, at)),
    )
    this.#remaking = new RemakingClient(traffic, this.#remade)
    this.#visitors = times(VISITORS, (at) => new VisitingClient(`visitor${at}`, traffic, this.#remade))
    this.#serving = new Serving(folder, threads)
  }

  /** What the server wrote to its log. */
  get log(): string {
    return this.#serving.log
  }

  async begin(): Promise<void> {
    const client = new Client(this.#traffic)
    this.#traffic.port = await this.#serving.port
    for (const name of [...this.#databases.map(({ name }) => name), SIDE]) await client.ask('PUT', `/${name}`)
    await client.ask('PUT', `/${SIDE}/patched`, { body: {} })
    client.close()
    for (const feed of this.#feeds) feed.start()
  }

  /** Some load, with a disturbance in it, and a look at everything after it. */
  async play(random: Random): Promise<void> {
    const traffic = this.#traffic
    traffic.over = false
    for (const database of this.#databases) database.endRest()
    const working = [
      ...this.#documents,
      ...this.#side,
      ...this.#polls,
      this.#remaking,
      ...this.#visitors,
    ].map((client) => client.work(random.fork()))
    const load = Promise.all(working)
    // One that fails ends the event at once, not when all have come to their end.
    const disturbed = this.#disturb(random).finally(() => {
      traffic.over = true
    })
    this.#disturbed = disturbed.catch(() => undefined)
    await Promise.all([load, disturbed])
    await this.#checkCuts()
    await this.#look(random)
    await this.#checkCuts()
  }

  async #disturb(random: Random): Promise<void> {
    const disturbance = random.pick(DISTURBANCES)
    const loadMs = random.between(LEAST_LOAD_MS, MOST_LOAD_MS)
    const beforeMs = random.int(loadMs)
    const compacting = random.bool(COMPACTIONS) ? this.#compact(random.fork()) : undefined
    await pause(beforeMs)
    if (disturbance === 'fronts') await this.#killFronts(random)
    else if (disturbance === 'kill' || disturbance === 'stop') await this.#restart(disturbance, random)
    await pause(loadMs - beforeMs)
    await compacting
  }

  async #compact(random: Random): Promise<void> {
    const client = new Client(this.#traffic)
    for (let count = random.between(1, 4); count > 0; count--) {
      const name = random.pick([...this.#databases.map(({ name }) => name), SIDE])
      const reply = await client.json('POST', `/${name}/_compact`, { body: {} })
      if (reply !== undefined && reply.status !== 202) throw new Error(`_compact of ${name}: ${reply.text}`)
      if (reply !== undefined) this.#coverage.count('compactions')
      await pause(random.int(200))
    }
    client.close()
  }

  async #killFronts(random: Random): Promise<void> {
    const before = (await this.#serving.fronts(0, 0)).kills
    const { kills } = await this.#serving.fronts(random.pick([1, 1, 2]), random.int(1000))
    this.#coverage.count('frontsKilled', kills - before)
  }

  async #restart(how: 'kill' | 'stop', random: Random): Promise<void> {
    const traffic = this.#traffic
    // Ports of other clients are of no account once this process has ended.
    await this.#checkCuts()
    traffic.ending = true
    if (how === 'kill') await this.#serving.kill()
    else await this.#serving.stop()
    this.#coverage.count(how === 'kill' ? 'processKills' : 'gracefulStops')
    await pause(random.int(100))
    this.#serving = new Serving(this.#folder, this.#threads)
    traffic.port = await this.#serving.port
    // Those that knock at the old port still.
    await pause(50)
    traffic.ending = false
  }

  /** A connection is cut only by the end of its front, or of the process. */
  async #checkCuts(): Promise<void> {
    const cuts = this.#traffic.cuts.splice(0)
    const { killed, served, kills } = await this.#serving.fronts(0, 0)
    this.#coverage.most('longestListOfFronts', served.filter((ports) => ports.length > 0).length)
    for (const { what, port, begunMs, expected } of cuts) {
      this.#coverage.count(expected ? 'cutsByRestarts' : 'cutsByKilledFronts')
      if (expected) continue
      // A connection that a front took in its very last turn is in no table.
      const isIt = (taken: TakenPort): boolean => taken.port === port && taken.takenMs >= begunMs
      const isServed = served.some((taken) => taken.some(isIt))
      if (kills === 0 || port === undefined || (isServed && !killed.some(isIt)))
        throw new Error(`cut, though its front lives (port ${port}): ${what}`)
    }
  }

  /** With nothing under way all connections show the same, to the last count. */
  async #look(random: Random): Promise<void> {
    await pause(SETTLE_MS)
    await random.pick(this.#documents).probe(random)
    const first = new DocumentClient('the first look', this.#traffic, this.#databases)
    for (const database of this.#databases) await first.changes(database)
    first.close()
    for (const database of this.#databases)
      for (const history of database.documents.values()) history.settle()
    await this.#remaking.find()
    const looks = Array.from({ length: LOOKS }, (_, at) => this.#lookThrough(at, random.fork()))
    await Promise.all(looks)
    await Promise.all(this.#polls.map((poll) => poll.poll()))
    await this.#waitForFeeds()
  }

  async #lookThrough(at: number, random: Random): Promise<void> {
    const client = new DocumentClient(`look ${at}`, this.#traffic, this.#databases)
    for (const database of random.shuffle([...this.#databases])) {
      await client.count(database)
      for (const id of database.documents.keys()) await client.read(database, id)
      await client.list(database)
      await client.changes(database)
      await client.count(database)
    }
    client.close()
    const side = this.#side[at]
    if (side !== undefined) await side.compare()
    const visitor = this.#visitors[at]
    if (visitor !== undefined) await visitor.look()
  }

  async #waitForFeeds(): Promise<void> {
    const endMs = systemClock.now() + FEED_MS
    for (const feed of this.#feeds) {
      for (let gap = feed.gap(); gap !== undefined; gap = feed.gap()) {
        feed.throwFailure()
        if (systemClock.now() > endMs) throw new Error(`after ${FEED_MS} ms, ${gap}`)
        await pause(10)
      }
      feed.throwFailure()
    }
  }

  /** Ends everything, and counts what it came to. */
  async close(): Promise<void> {
    const traffic = this.#traffic
    traffic.over = true
    traffic.ending = true
    await Promise.all(this.#feeds.map((feed) => feed.close()))
    await this.#disturbed
    await this.#serving.kill()
    const clients = [...this.#documents, ...this.#side, ...this.#polls, this.#remaking, ...this.#visitors]
    for (const client of clients) client.close()
    const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
      items.reduce((total, item) => total + of(item), 0)
    const count = (name: string, times: number): void => this.#coverage.count(name, times)
    count(
      'acknowledged',
      sum([...this.#documents, ...this.#side], ({ acknowledged }) => acknowledged),
    )
    count(
      'reads',
      sum([...this.#documents, ...this.#side], ({ reads }) => reads),
    )
    count('conflicts', traffic.refused)
    count('requests', traffic.requests)
    count(
      'rowsOfFeeds',
      sum([...this.#feeds, ...this.#polls], ({ rows }) => rows),
    )
    count(
      'feedsResumed',
      sum(this.#feeds, ({ resumed }) => resumed),
    )
    count('remade', this.#remaking.remade)
    count(
      'visits',
      sum(this.#visitors, ({ visits }) => visits),
    )
    this.#coverage.most('longestRequestMs', traffic.longestMs)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
