/**
 * Writes documents of its own, one request at a time, on any of its connections. After a cut it does not know whether the
 * last one was done, nor whether the writer's thread is still at it: it reads, and writes again from what it read. A write
 * that was still under way then makes that a conflict, or becomes one itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../test/support/random.ts'
import { patternBytes } from '../../test/support/test-trees.ts'
import { Caller, type Life } from './life.ts'
import type { Found, NumberedDatabase, NumberedDocument } from './numbered.ts'

const SHORT_BYTES = 300
const LONG_BYTES = 100_000
const DIGITS = 8
const TYPE = 'application/octet-stream'
export const ATTACHMENT = 'content'
const MOST_TEXT = 2000
const RETRY_MS = 20

/** Every third is longer than what the server keeps with a document. */
export function contentOf(number: number): Buffer {
  const bytes = patternBytes(number, number % 3 === 0 ? LONG_BYTES : SHORT_BYTES)
  bytes.write(String(number).padStart(DIGITS, '0'), 0, 'latin1')
  return bytes
}

export function numberOfContent(bytes: Buffer): number {
  return Number(bytes.toString('latin1', 0, DIGITS))
}

interface Row {
  id: string
  value?: { rev: string; deleted?: boolean }
  doc?: { number?: number } | null
}

/** What a row with the document says of it; undefined for one that never was. */
export function foundInRow({ value, doc }: Row): Found | undefined {
  return value === undefined ? undefined : { ...value, number: doc?.number }
}

interface Result {
  id: string
  rev?: string
  error?: string
}

interface Write {
  readonly document: NumberedDocument
  readonly number: number
  readonly deleted: boolean
}

export class DocumentWriter {
  readonly #database: NumberedDatabase
  readonly #documents: readonly NumberedDocument[]
  readonly #random: Random

  constructor(database: NumberedDatabase, name: string, random: Random) {
    this.#database = database
    this.#random = random
    this.#documents = [
      database.add(`${name}-1`, 'plain'),
      database.add(`${name}-2`, 'plain'),
      database.add(`${name}-3`, 'plain'),
      database.add(`${name}-a`, 'attached'),
    ]
  }

  /** Writes until the life is over; then nothing is in doubt, unless the process was ended. */
  async run(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    try {
      while (life.goesOn) await this.#step(caller)
      await this.#settle(caller)
    } finally {
      caller.close()
    }
  }

  /** Takes what is in doubt as it is found in a new process, in which nothing can be under way. */
  async adopt(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    for (const document of this.#documents) {
      if (document.isInDoubt && (await this.#look(caller, document))) document.isInDoubt = false
    }
    caller.close()
  }

  async #settle(caller: Caller): Promise<void> {
    for (const document of this.#documents) {
      while (document.isInDoubt && caller.life.isUp) {
        await this.#look(caller, document)
        await this.#writeOne(caller, document)
      }
    }
  }

  async #step(caller: Caller): Promise<void> {
    const random = this.#random
    const document = random.pick(this.#documents)
    if (document.isInDoubt) await this.#look(caller, document)
    if (!random.bool(0.25)) return this.#writeOne(caller, document)
    const others = this.#documents.filter(({ isInDoubt, kind }) => !isInDoubt && kind === 'plain')
    const writes = others.map((each) => {
      const deleted = !each.floor.deleted && random.bool(0.2)
      return { document: each, number: each.begin(deleted), deleted }
    })
    const docs = writes.map((write) => this.#body(write))
    const results = await caller.json<Result[]>('POST', `/${this.#database.name}/_bulk_docs`, { docs })
    for (const [index, result] of (results ?? []).entries()) {
      if (result.rev !== undefined) this.#acknowledge(caller, writes[index]!, result.rev)
      else caller.life.fault(`_bulk_docs: ${JSON.stringify(result)} for ${JSON.stringify(docs)}`)
    }
    if (results !== undefined) caller.life.coverage.count('bulkWrites')
  }

  /** What is deleted is made again without a revision. */
  #body({ document, number, deleted }: Write) {
    const { rev, deleted: isNew } = document.floor
    const text = 'x'.repeat(this.#random.int(MOST_TEXT))
    return {
      _id: document.id,
      ...(!isNew && { _rev: rev }),
      ...(deleted && { _deleted: true }),
      number,
      text,
    }
  }

  async #writeOne(caller: Caller, document: NumberedDocument): Promise<void> {
    const random = this.#random
    const wasInDoubt = document.isInDoubt
    const { rev, deleted: isDeleted } = document.floor
    const path = `/${this.#database.name}/${document.id}`
    const isPlain = document.kind === 'plain'
    const deleted = isPlain && !isDeleted && random.bool(0.15)
    const write = { document, number: document.begin(deleted), deleted }
    const query = rev === '' ? '' : `?rev=${rev}`
    const send = () => {
      if (deleted && random.bool(0.5)) return caller.send('DELETE', `${path}${query}`)
      if (isPlain) return caller.send('PUT', path, this.#body(write))
      const content = contentOf(write.number)
      if (random.bool(0.6)) return caller.send('PUT', `${path}/${ATTACHMENT}${query}`, content, TYPE)
      const inline = { content_type: TYPE, data: content.toString('base64') }
      return caller.send('PUT', path, { ...this.#body(write), _attachments: { [ATTACHMENT]: inline } })
    }
    const reply = await send()
    if (reply === undefined) return
    if (reply.status < 300) {
      caller.life.coverage.count(isPlain ? 'writes' : 'attachmentWrites')
      this.#acknowledge(caller, write, (JSON.parse(String(reply.bytes)) as Result).rev!)
      // At once and on any connection: a front that is behind is so for a moment only.
      if (caller.life.goesOn) await this.#look(caller, document)
    } else if (reply.status === 409 && wasInDoubt) {
      // What was under way came first.
      caller.life.coverage.count('lateWrites')
      await delay(RETRY_MS)
    } else caller.life.fault(`write ${write.number} of ${path} from ${rev}: ${reply.status} ${reply.bytes}`)
  }

  #acknowledge(caller: Caller, { document, number, deleted }: Write, rev: string): void {
    caller.life.check(document.id, document.acknowledge(number, rev, deleted))
  }

  async #look(caller: Caller, document: NumberedDocument): Promise<boolean> {
    const { floor } = document
    const path = `/${this.#database.name}/_all_docs?include_docs=true`
    const answer = await caller.json<{ rows: Row[] }>('POST', path, { keys: [document.id] })
    if (answer === undefined) return false
    const found = foundInRow(answer.rows[0]!)
    caller.life.check(path, found === undefined ? document.absent(floor) : document.seen(floor, found))
    if (document.isInDoubt && document.floor !== floor) caller.life.coverage.count('unacknowledgedFound')
    return true
  }
}
