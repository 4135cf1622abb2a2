/**
 * A server with one database, `db`, and its indexes, through compactions, ends of the thread that builds, and restarts between
 * which the files of indexes are cut or damaged.
 */
import { mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type Reply, type Sending } from '../../test/support/http-request.ts'
import { startTestServer, type TestServer } from '../../test/support/http-server.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'

const MOST_TRIES = 30

export class IndexedServer {
  readonly #folder: string
  readonly #coverage: Coverage
  #server: TestServer

  private constructor(folder: string, server: TestServer, coverage: Coverage) {
    this.#folder = folder
    this.#server = server
    this.#coverage = coverage
  }

  static async start(coverage: Coverage): Promise<IndexedServer> {
    const folder = await mkdtemp(join(tmpdir(), 'davenport-fuzz-indexes-'))
    const server = new IndexedServer(folder, await startTestServer({ dataDir: folder, threads: 0 }), coverage)
    await server.ask('PUT /db')
    return server
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Rejects where it is refused. */
  async ask(line: string, json?: unknown): Promise<Reply> {
    const reply = await ask(this.#server, line, json === undefined ? {} : { json })
    if (reply.status >= 400) throw new Error(`${line}: ${reply.status} ${reply.text}`)
    return reply
  }

  /** What is answered in the end, where a thread had ended, or damage was found: then the same is asked again. */
  async askAgain(line: string, sending: Sending = {}): Promise<Reply> {
    for (let tries = 1; ; tries++) {
      const reply = await ask(this.#server, line, sending)
      if (reply.status !== 503 && reply.status !== 500) return reply
      this.#coverage.count('asked again')
      if (tries === MOST_TRIES) throw new Error(`${line}: ${reply.status} ${reply.text} again and again`)
      await sleep(100)
    }
  }

  /** Texts of documents with their revisions. Returns the new ones. */
  async write(docs: readonly string[]): Promise<string[]> {
    const { text, json } = await ask(this.#server, 'POST /db/_bulk_docs', {
      body: `{"docs":[${docs.join(',')}]}`,
      headers: { 'content-type': 'application/json' },
    })
    return (json as { rev?: string }[]).map(({ rev }) => {
      if (rev === undefined) throw new Error(`a document was not written: ${text.slice(0, 500)}`)
      return rev
    })
  }

  async purge(id: string, rev: string): Promise<void> {
    await this.ask('POST /db/_purge', { [id]: [rev] })
    this.#coverage.count('purges')
  }

  /** Of the database, or of the index of the design document of that name. */
  async compact(design: string | undefined): Promise<void> {
    await this.ask(design === undefined ? 'POST /db/_compact' : `POST /db/_compact/${design}`, {})
    this.#coverage.count('compactions')
  }

  async endThread(): Promise<void> {
    await this.#server.server.indexing.thread.worker?.terminate()
    this.#coverage.count('threadsEnded')
  }

  async restart(random: Random): Promise<void> {
    await this.#server.stop()
    const views = join(this.#folder, 'views')
    const names = await readdir(views, { recursive: true }).catch(() => [])
    for (const name of names.filter((each) => each.endsWith('.davenport')))
      await this.#damage(join(views, name), random)
    this.#server = await startTestServer({ dataDir: this.#folder, threads: 0 })
    this.#coverage.count('restarts')
  }

  async #damage(path: string, random: Random): Promise<void> {
    const { size } = await stat(path)
    const kind = random.int(3)
    if (kind === 0) return
    this.#coverage.count(kind === 1 ? 'cut' : 'damaged')
    if (kind === 1) {
      await truncate(path, random.int(size))
      return
    }
    const file = await open(path, 'r+')
    const length = random.pick([1, 100, 5000])
    await file.write(random.bytes(length), 0, length, random.int(size))
    await file.close()
  }
}
