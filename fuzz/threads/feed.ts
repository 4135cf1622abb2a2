/**
 * A continuous feed of one database, taken up again by `since` wherever it was cut, in the next life too. Sequences rise, no
 * revision comes twice, and whoever waits sees each document come to where it is.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpClient } from '../../test/support/http-client.ts'
import type { Life } from './life.ts'
import type { NumberedDatabase } from './numbered.ts'
import { type ChangeRow, foundInChange, numberOfSeq } from './reader.ts'

const HEARTBEAT_MS = 500
/** A feed that says nothing for so long, not even that its heart beats, hangs. */
const SILENT_MS = 15_000
const CAUGHT_UP_MS = 10_000
const POLL_MS = 10

export class Feed {
  readonly #database: NumberedDatabase
  readonly #generations = new Map<string, number>()
  #since = '0'

  constructor(database: NumberedDatabase) {
    this.#database = database
  }

  /** Reads until `signal`, or until the life has ended. */
  async run(life: Life, signal: AbortSignal): Promise<void> {
    while (life.isUp && !signal.aborted) {
      const ends = life.ends
      const client = new HttpClient(life.port)
      const close = () => client.close()
      signal.addEventListener('abort', close)
      try {
        await this.#read(life, client)
        throw new Error('it ended')
      } catch (error) {
        if (!signal.aborted && !life.isExcused(ends))
          life.fault(`feed of ${this.#database.name}: ${String(error)}`)
        life.coverage.count('feedsCut')
      } finally {
        signal.removeEventListener('abort', close)
        client.close()
      }
      await delay(POLL_MS)
    }
  }

  async #read(life: Life, client: HttpClient): Promise<void> {
    const { name } = this.#database
    const path = `/${name}/_changes?feed=continuous&include_docs=true&heartbeat=${HEARTBEAT_MS}&since=${this.#since}`
    const response = await client.open('GET', path)
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
    let isSilent = false
    const silence = setTimeout(() => {
      isSilent = true
      response.destroy()
    }, SILENT_MS)
    let rest = ''
    try {
      for await (const chunk of response) {
        silence.refresh()
        const lines = (rest + String(chunk)).split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line !== '') this.#takeLine(life, line)
      }
    } finally {
      clearTimeout(silence)
      if (isSilent) life.fault(`the feed of ${name} is silent`)
    }
  }

  /** A feed that ends by itself, since its server stops, says last how far it came. */
  #takeLine(life: Life, line: string): void {
    const row = JSON.parse(line) as ChangeRow | { last_seq: string }
    if (!('last_seq' in row)) {
      this.#take(life, row)
      return
    }
    if (numberOfSeq(row.last_seq) < numberOfSeq(this.#since)) {
      life.fault(`feed of ${this.#database.name}: ${line} after ${this.#since}`)
    }
    this.#since = row.last_seq
    life.coverage.count('feedsEnded')
  }

  #take(life: Life, row: ChangeRow): void {
    const where = `feed of ${this.#database.name}: ${JSON.stringify(row)}`
    if (numberOfSeq(row.seq) <= numberOfSeq(this.#since)) life.fault(`${where} after ${this.#since}`)
    this.#since = row.seq
    const found = foundInChange(row)
    const generation = Number.parseInt(found.rev, 10)
    if (generation <= (this.#generations.get(row.id) ?? 0)) life.fault(`${where}: shown before`)
    this.#generations.set(row.id, generation)
    life.coverage.count('feedRows')
    const document = this.#database.documents.get(row.id)
    // What a feed shows may be behind what others have shown already, but everybody sees it from now on.
    if (document === undefined) return
    const { generation: known, rev } = document.floor
    if (generation < known) return
    if (generation === known && found.rev !== rev) life.fault(`${where}: ${rev} is known`)
    else life.check(where, document.seen(document.floor, found))
  }

  /** While nobody writes: waits until it has shown the last revision of each document. */
  async catchUp(life: Life): Promise<void> {
    const behind = () =>
      [...this.#database.documents.values()].find(
        ({ id, floor }) => floor.generation !== (this.#generations.get(id) ?? 0),
      )
    for (let waited = 0; life.isUp; waited += POLL_MS) {
      const document = behind()
      if (document === undefined) return
      if (waited > CAUGHT_UP_MS) {
        const shown = this.#generations.get(document.id)
        return life.fault(`the feed shows ${document.id} at ${shown}, and it is at ${document.floor.rev}`)
      }
      await delay(POLL_MS)
    }
  }
}
