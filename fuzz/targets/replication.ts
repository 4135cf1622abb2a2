/**
 * Two servers in processes of their own with a database each, and a proxy between them that fails on purpose. An event is some
 * writes on both sides (conflicts, deletions, histories, attachments), and a replication in some direction, begun by either side,
 * while requests fail and, now and then, a side is killed. Invariants:
 * - Whatever failed: when both directions have then been replicated without faults, both sides have equal trees.
 * - Without faults each replication writes each document that it found missing, and the next one finds no changes.
 * - No revision reaches a side twice but by a request whose answer was lost, doubled or refused, or after a kill.
 */
import { join } from 'node:path'
import type { Random } from '../../test/support/random.ts'
import {
  call,
  FAULTS,
  type Fault,
  type FaultyProxy,
  startFaultyProxy,
  treesDigest,
} from '../../test/support/replicated.ts'
import { ADMIN, type ServerProcess, startServerProcess } from '../../test/support/server-process.ts'
import type { Coverage } from '../coverage.ts'
import { inDataFolder } from '../data-folder.ts'
import type { Script } from '../script.ts'
import { playerOf, type Target } from '../target.ts'

const IDS = 12
const MOST_KILLS_PER_CASE = 3

class Side {
  readonly name: string
  readonly #folder: string
  #process: ServerProcess
  port = 0

  constructor(name: string, folder: string) {
    this.name = name
    this.#folder = folder
    this.#process = this.#start()
  }

  #start(): ServerProcess {
    return startServerProcess({
      dataDir: join(this.#folder, this.name),
      environment: { DAVENPORT_DAVENPORT__THREADS: this.name === 'left' ? '0' : '1' },
    })
  }

  async ready(): Promise<void> {
    this.port = await this.#process.port
    await call(this.url, 'PUT', '/db')
  }

  get url(): string {
    return `http://${ADMIN}@127.0.0.1:${this.port}`
  }

  async killed(): Promise<void> {
    await this.#process.kill()
    this.#process = this.#start()
    await this.ready()
  }

  stop(): Promise<void> {
    return this.#process.kill()
  }
}

class ReplicationRun {
  readonly #left: Side
  readonly #right: Side
  readonly #coverage: Coverage
  #faults: Random | undefined
  #kills = 0

  constructor(folder: string, coverage: Coverage) {
    this.#left = new Side('left', folder)
    this.#right = new Side('right', folder)
    this.#coverage = coverage
  }

  async begin(): Promise<void> {
    await this.#left.ready()
    await this.#right.ready()
  }

  async close(): Promise<void> {
    await Promise.all([this.#left.stop(), this.#right.stop()])
  }

  async play(random: Random): Promise<void> {
    for (const side of [this.#left, this.#right]) await this.#write(side, random)
    this.#faults = random
    const [runner, other] = random.int(2) === 0 ? [this.#left, this.#right] : [this.#right, this.#left]
    await this.#through(other, async (proxy) => {
      const isPush = random.int(2) === 0
      const kills = random.int(6) === 0 && this.#kills < MOST_KILLS_PER_CASE
      const replicating = this.#replicate(runner, proxy, isPush, random.pick([3, 10, 500])).catch(
        () => undefined,
      )
      if (kills) {
        this.#kills += 1
        this.#coverage.count('killed')
        await new Promise((resolve) => setTimeout(resolve, random.int(60)))
        await random.pick([runner, other]).killed()
      }
      const answer = await replicating
      this.#coverage.count(answer?.status === 200 ? 'endedWell' : 'endedBadly')
      if (isPush && !kills) this.#requireSentOnce(proxy)
    })
    this.#faults = undefined
    await this.#converge()
  }

  #through<T>(side: Side, use: (proxy: FaultyProxy) => Promise<T>): Promise<T> {
    return startFaultyProxy(side.port, () => this.#fault()).then(async (proxy) => {
      try {
        return await use(proxy)
      } finally {
        await proxy.stop()
      }
    })
  }

  #fault(): Fault {
    if (this.#faults === undefined || this.#faults.int(4) > 0) return 'none'
    const fault = this.#faults.pick(FAULTS)
    this.#coverage.count(typeof fault === 'string' ? fault : 'status')
    return fault
  }

  #replicate(runner: Side, { url }: FaultyProxy, isPush: boolean, batch: number) {
    const peer = `${url.replace('://', `://${ADMIN}@`)}/db`
    const [source, target] = isPush ? ['db', peer] : [peer, 'db']
    return call(runner.url, 'POST', '/_replicate', { source, target, worker_batch_size: batch })
  }

  async #write({ url, name }: Side, random: Random): Promise<void> {
    for (let count = random.int(8); count > 0; count--) {
      const id = `doc-${random.int(IDS)}`
      const path = `/db/${id}`
      const kind = random.int(6)
      if (kind === 0) {
        const ids = [0, 1, 2].map(() => random.next().toString(16).padStart(8, '0').repeat(4))
        const doc = {
          _id: id,
          _revisions: { start: random.pick([3, 9]), ids },
          _deleted: random.int(4) === 0,
          name,
        }
        await call(url, 'POST', '/db/_bulk_docs', { new_edits: false, docs: [doc] })
        continue
      }
      const before = await call(url, 'GET', path)
      const rev = before.body['_rev']
      const data = Buffer.alloc(random.pick([0, 1, 5000, 70_000, 200_000]), random.next()).toString('base64')
      const attached =
        kind < 3
          ? { _attachments: { a: { content_type: random.pick(['text/plain', 'image/png']), data } } }
          : {}
      const doc = {
        ...(rev === undefined ? {} : { _rev: rev }),
        ...(kind === 5 ? { _deleted: true } : attached),
      }
      await call(url, 'PUT', path, { ...doc, name, n: random.next() })
      if (kind < 3) this.#coverage.count('attached')
    }
  }

  /** Both directions, without faults. */
  async #converge(): Promise<void> {
    const { url: left } = this.#left
    await this.#through(this.#right, async (proxy) => {
      for (const isPush of [true, false]) {
        const answer = await this.#replicate(this.#left, proxy, isPush, 500)
        if (answer.status !== 200) throw new Error(`without faults: ${JSON.stringify(answer)}`)
        const [entry] = (answer.body['history'] ?? []) as Record<string, number>[]
        if ((entry?.['doc_write_failures'] ?? 0) > 0) throw new Error(`refused: ${JSON.stringify(entry)}`)
        const again = await this.#replicate(this.#left, proxy, isPush, 500)
        if (again.body['no_changes'] !== true)
          throw new Error(`changes after all: ${JSON.stringify(again.body)}`)
      }
      this.#requireSentOnce(proxy)
    })
    const [a, b] = await Promise.all([treesDigest(left, 'db'), treesDigest(this.#right.url, 'db')])
    if (a !== b) throw new Error('the trees differ')
    this.#coverage.count('converged')
  }

  #requireSentOnce({ sent, requests }: FaultyProxy): void {
    const repeated = sent.length - new Set(sent).size
    const lost = requests.filter(
      ({ method, path, fault }) =>
        fault !== 'none' && fault !== 'delay' && method !== 'GET' && /_bulk_docs|new_edits=false/.test(path),
    )
    if (repeated > 0 && lost.length === 0) throw new Error(`${repeated} revisions were sent twice`)
  }
}

async function play(script: Script, folder: string): Promise<void> {
  const run = new ReplicationRun(folder, script.coverage)
  try {
    await run.begin()
    for (const random of script.events()) await run.play(random)
  } finally {
    await run.close()
  }
}

export const replication: Target = {
  name: 'replication',
  summary: 'two servers that replicate through a proxy that fails, and are killed: equal trees in the end',
  caseEvents: 12,
  smokeEvents: 4,
  rarePaths: ['converged', 'attached'],
  repeats: false,
  hangMs: 120_000,
  open: playerOf((script) => inDataFolder((folder) => play(script, folder))),
}
