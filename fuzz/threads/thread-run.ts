/** Lives of a server with fronts on one data folder, each under load, disturbed, and ended in some way. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Child, startChild } from '../../test/support/child.ts'
import { HttpClient } from '../../test/support/http-client.ts'
import type { Random } from '../../test/support/random.ts'
import { ADMIN } from '../../test/support/server-process.ts'
import type { Coverage } from '../coverage.ts'
import { CycledDatabase } from './cycled-database.ts'
import { DocumentWriter } from './document-writer.ts'
import { Feed } from './feed.ts'
import { Caller, Life } from './life.ts'
import { NumberedDatabase } from './numbered.ts'
import { Reader, readAtRest } from './reader.ts'
import { CONTENDED, SettingWriter } from './setting-writer.ts'

const CHILD = '../../fuzz/threads/child.js'
const FRONTS = 4
const DATABASES = 2
const WRITERS = 3
const SETTING_WRITERS = 2
const READERS = 5
const CYCLED = 2
const LEAST_LOAD_MS = 600
const MOST_LOAD_MS = 2500
const MOST_FRONT_ENDS = 3
const COMPACTION_EVERY_MS = 200
const ENVIRONMENT = {
  DAVENPORT_DAVENPORT__THREADS: String(FRONTS),
  DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2',
  // A small cache makes small checkpoints: fronts take up many of them.
  DAVENPORT_DAVENPORT__CACHE_BYTES: String(8 * 1024 * 1024),
}
/** What the log says where a thread ended that nobody has ended. */
const FAILED_THREAD = /.*a thread failed.*/
/**
 * Node 20 aborts the process where `terminate` meets a thread inside the callbacks of its HTTP parser. Nothing can be done
 * about that here: it counts as a kill.
 */
const ABORTED_BY_NODE = /FATAL ERROR: v8::ToLocalChecked/

export class ThreadRun {
  readonly #dataDir: string
  readonly #coverage: Coverage
  readonly #databases: readonly NumberedDatabase[]
  readonly #cycled: readonly CycledDatabase[]
  readonly #writers: readonly DocumentWriter[]
  readonly #settingWriters: readonly SettingWriter[]
  readonly #readers: readonly Reader[]
  readonly #feeds: readonly Feed[]
  #child: Child | undefined

  constructor(dataDir: string, random: Random, coverage: Coverage) {
    this.#dataDir = dataDir
    this.#coverage = coverage
    const databases = listOf(DATABASES, (number) => new NumberedDatabase(`numbered-${number}`))
    const cycled = listOf(CYCLED, (number) => new CycledDatabase(`cycled-${number}`, random.fork()))
    const inEach = <T>(count: number, make: (database: NumberedDatabase, number: number) => T): T[] =>
      databases.flatMap((database) => listOf(count, (number) => make(database, number)))
    this.#databases = databases
    this.#cycled = cycled
    this.#writers = inEach(
      WRITERS,
      (database, number) => new DocumentWriter(database, `writer${number}`, random.fork()),
    )
    this.#settingWriters = inEach(
      SETTING_WRITERS,
      (database, number) => new SettingWriter(database, `setter${number}`, number === 0, random.fork()),
    )
    this.#readers = listOf(READERS, () => new Reader(databases, cycled, random.fork()))
    this.#feeds = inEach(1, (database) => new Feed(database))
  }

  /** Makes what the clients take for granted. */
  async begin(): Promise<void> {
    const client = new HttpClient(await this.#start())
    for (const { name } of this.#databases) {
      await client.json('PUT', `/${name}`)
      await client.json('PUT', `/${name}/${CONTENDED}`, {})
    }
    client.close()
    await this.#end('SIGTERM')
  }

  /** One life: what the one before left, a load, an end. Returns what was wrong. */
  async live(random: Random): Promise<readonly string[]> {
    const life = new Life(await this.#start(), this.#coverage)
    await this.#adopt(life, random)
    const stopFeeds = new AbortController()
    const feeds = life.all(this.#feeds.map((feed) => feed.run(life, stopFeeds.signal)))
    const isKilled = random.bool()
    const isUnderLoad = isKilled || random.bool()
    const load = life.all([
      ...this.#writers.map((writer) => writer.run(life)),
      ...this.#settingWriters.map((writer) => writer.run(life)),
      ...this.#cycled.map((each) => each.run(life)),
      ...this.#readers.map((reader) => reader.run(life)),
      this.#compact(life, random.fork()),
    ])
    await Promise.all([
      delay(random.between(LEAST_LOAD_MS, MOST_LOAD_MS)),
      random.bool(0.7) ? life.all([this.#endFronts(life, random)]) : undefined,
    ])
    const isAborted = life.isDying
    if (isAborted) this.#coverage.count('abortedByNode')
    else if (!isUnderLoad) {
      life.isOver = true
      await load
      if (life.isUp) await readAtRest(life, this.#databases, random)
      await Promise.all(this.#feeds.map((feed) => feed.catchUp(life)))
    }
    life.isDying = true
    const signal = isKilled ? 'SIGKILL' : 'SIGTERM'
    const status = await this.#end(signal)
    if (!isAborted) this.#coverage.count(isKilled ? 'kills' : isUnderLoad ? 'stopsUnderLoad' : 'stopsAtRest')
    await load
    stopFeeds.abort()
    await feeds
    if (!isKilled && !isAborted && status !== 0) life.fault(`the server stopped with ${status}`)
    const failed = FAILED_THREAD.exec(this.#child?.err ?? '')
    if (failed !== null) life.fault(`${failed[0]}, within: ${this.#child?.err}`)
    return life.faults
  }

  async #adopt(life: Life, random: Random): Promise<void> {
    await life.all([
      ...this.#writers.map((writer) => writer.adopt(life)),
      ...this.#cycled.map((each) => each.adopt(life)),
    ])
    await life.all([readAtRest(life, this.#databases, random)])
  }

  async #compact(life: Life, random: Random): Promise<void> {
    const caller = new Caller(life, random)
    while (life.goesOn) {
      const { name } = random.pick(this.#databases)
      if ((await caller.json('POST', `/${name}/_compact`, {}, 202)) !== undefined) {
        life.coverage.count('compactions')
      }
      await delay(random.int(2 * COMPACTION_EVERY_MS))
    }
    caller.close()
  }

  async #endFronts(life: Life, random: Random): Promise<void> {
    for (let ended = 1; ended <= random.between(1, MOST_FRONT_ENDS); ended++) {
      await delay(random.int(MOST_LOAD_MS / 4))
      const child = this.#child!
      await life.disturb(async () => {
        const said = countOf(child.out)
        child.process.kill('SIGUSR2')
        try {
          await child.until(new RegExp(`(?:front ended[^]*){${said + 1}}`))
        } catch (error) {
          if (!ABORTED_BY_NODE.test(child.err)) throw error
          life.isDying = true
        }
      })
      if (life.isDying) return
      life.coverage.count('frontsEnded')
    }
  }

  async #start(): Promise<number> {
    const args = ['serve', '--port', '0', '--data-dir', this.#dataDir, '--admin', ADMIN]
    const child = startChild(CHILD, args, ENVIRONMENT)
    this.#child = child
    return Number((await child.until(/listening on http:\/\/127\.0\.0\.1:(\d+)\//))[1])
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.#child?.process.kill(signal)
    return (await this.#child?.ended) ?? null
  }

  /** Kills what still runs. */
  async close(): Promise<void> {
    await this.#end('SIGKILL')
  }
}

function listOf<T>(count: number, make: (number: number) => T): T[] {
  return Array.from({ length: count }, (_, number) => make(number))
}

function countOf(out: string): number {
  return out.split('front ended').length - 1
}
