/**
 * The server's own process, killed while clients write, again and again on one data folder. What it acknowledged
 * is there afterwards, nothing is there by half, and every index and file agrees: see written-documents.ts,
 * written-attachments.ts and writing-clients.ts for what each client knows.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openStore } from '../../native-free-btree/index.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { HttpClient } from './http-client.ts'
import type { Random } from './random.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'
import { DatabaseMaker, WritingClient } from './writing-clients.ts'
import { AttachingClient } from './written-attachments.ts'
import { WrittenDocuments } from './written-documents.ts'

const CLIENTS = 8
const DOCUMENTS = 'written'
const ATTACHMENTS = 'attached'
const MOST_LOAD_MS = 400
const MOST_START_MS = 500
const SHOWN_PROBLEMS = 5
/** A small cache makes small checkpoints: kills hit many of them. */
const SMALL_CACHE = { DAVENPORT_DAVENPORT__CACHE_BYTES: String(1024 * 1024) }

export class KillRun {
  readonly documents = new WrittenDocuments(DOCUMENTS)
  readonly attaching: AttachingClient
  readonly #dataDir: string
  readonly #maker: DatabaseMaker
  readonly #writers: readonly WritingClient[]
  readonly #servers = new Set<ServerProcess>()
  /** Servers that were killed while they started. */
  killedAtStart = 0

  constructor(dataDir: string, random: Random) {
    this.#dataDir = dataDir
    this.#maker = new DatabaseMaker(random.fork())
    this.attaching = new AttachingClient(ATTACHMENTS, random.fork())
    this.#writers = Array.from(
      { length: CLIENTS },
      (_, number) => new WritingClient(`client${number}`, DOCUMENTS, this.documents, random.fork()),
    )
  }

  /** Starts a server. It is killed by `close` at the latest. */
  start(): ServerProcess {
    const server = startServerProcess({ dataDir: this.#dataDir, environment: SMALL_CACHE })
    this.#servers.add(server)
    void server.child.ended.then(() => this.#servers.delete(server))
    return server
  }

  /** Makes the databases that the clients write to. */
  async begin(): Promise<void> {
    const server = this.start()
    const client = new HttpClient(await server.port)
    await client.json('PUT', `/${DOCUMENTS}`)
    await client.json('PUT', `/${ATTACHMENTS}`)
    client.close()
    await server.kill()
  }

  /** One life of the server, ended by a SIGKILL at some moment. Returns what was wrong before and after it. */
  async killOnce(random: Random): Promise<string[]> {
    if (random.bool(0.2)) {
      const unready = this.start()
      await delay(random.int(MOST_START_MS))
      await unready.kill()
      this.killedAtStart += 1
    }
    const server = this.start()
    const port = await server.port
    const before = await this.compare(port)
    if (before.length > 0) return before
    await this.loadUntil(port, random, () => server.kill())
    return this.problemsOfFiles()
  }

  /** Everything that a server shows, against what its clients know: the first few differences. */
  async compare(port: number): Promise<string[]> {
    const client = new HttpClient(port)
    try {
      const problems = [
        ...(await this.documents.compare(client)),
        ...(await this.#maker.compare(client)),
        ...(await this.attaching.compare(client)),
      ]
      return problems.slice(0, SHOWN_PROBLEMS).map((problem) => problem.replace(/x{9,}/g, 'x...'))
    } finally {
      client.close()
    }
  }

  /** Writes until `end`, called at some moment, has ended the server. */
  async loadUntil(port: number, random: Random, end: () => Promise<unknown>): Promise<void> {
    const load = [
      ...this.#writers.map((writer) => writer.writeUntilCut(port)),
      this.#maker.makeUntilCut(port),
      this.attaching.attachUntilCut(port),
    ]
    await Promise.all([Promise.all(load), delay(random.int(MOST_LOAD_MS)).then(end)])
  }

  /** What is wrong in the files, read as the ended process left them. */
  async problemsOfFiles(): Promise<string[]> {
    const folder = join(this.#dataDir, 'databases')
    const found: string[] = []
    for (const name of await readdir(folder, { recursive: true })) {
      if (!name.endsWith('.davenport')) continue
      const store = await openStore(join(folder, name), { readOnly: true, trees: TREE_OPTIONS })
      const { problems } = await store.check()
      await store.close()
      found.push(...problems.map(({ where, what }) => `${name}, ${where}: ${what}`))
    }
    return found.slice(0, SHOWN_PROBLEMS)
  }

  /** Kills what still runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers].map((server) => server.kill()))
  }
}
