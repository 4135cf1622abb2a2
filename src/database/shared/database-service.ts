/**
 * The writer's end of a database that other threads read: does what a `RemoteWriter` is asked. All writes of all threads
 * pass here, one after the other, so nothing is done here that the asking thread can do.
 */
import type { EditResult } from '../api/database.ts'
import type {
  PackedAnswer,
  RemoteCalls,
  RemoteContent,
  WriteOptions,
  WriterService,
} from '../api/remote-writer.ts'
import type { StoredDatabase } from '../database.ts'
import type { PackedResults } from '../write/apply-packed.ts'
import { PACKED_EDITS, PackedEdits } from '../write/packed-edits.ts'
import { encodePackedResults, encodeResults } from './result-codec.ts'
import { decodeEdits } from './update-codec.ts'

const CALLS: ReadonlySet<string> = new Set<keyof RemoteCalls>([
  'purge',
  'putLocal',
  'deleteLocal',
  'setSecurity',
  'setRevsLimit',
  'setPurgedInfosLimit',
  'ensureFullCommit',
])

export class DatabaseService implements WriterService {
  readonly #database: StoredDatabase

  constructor(database: StoredDatabase) {
    this.#database = database
  }

  /**
   * Rejects with ByteFormatError for bytes that are no edits. They must not change until it resolves, or has answered: it takes no
   * copy. `answer` may be called with the results before it resolves: see `StoredDatabase.writePacked`.
   */
  update(
    edits: Uint8Array,
    options: WriteOptions,
    answer?: (results: Uint8Array) => void,
  ): Promise<Uint8Array> {
    try {
      if (edits[0] === PACKED_EDITS) return this.#updateGathered(edits, answer)
      const ready = decodeEdits(edits)
      const results: EditResult[] = []
      return this.#database.write(ready, results, options.allOrNothing).then(() => encodeResults(results))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #updateGathered(
    edits: Uint8Array,
    answer: ((results: Uint8Array) => void) | undefined,
  ): Promise<Uint8Array> {
    const { buffer, byteOffset, length } = edits as Uint8Array<ArrayBuffer>
    const packed = new PackedEdits(Buffer.from(buffer, byteOffset, length))
    let told: Uint8Array | undefined
    const onDurable = (results: PackedResults): void => {
      told = encodePackedResults(results)
      answer!(told)
    }
    const writing = this.#database.writePacked(packed, answer && onDurable)
    // Once they have been told they are in another thread's memory.
    return writing.then((results) => told ?? encodePackedResults(results))
  }

  /** Rejects with ByteFormatError for bytes that are no packed edits. `answer` as of `update`. */
  async updatePacked(
    edits: Uint8Array<ArrayBuffer>,
    answer?: (answered: PackedAnswer) => void,
  ): Promise<PackedAnswer> {
    const onDurable = answer && ((results: Uint8Array): void => answer({ results, edits }))
    return { results: await this.#updateGathered(edits, onDurable), edits }
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<RemoteContent> {
    const { reference, source: file } = await this.#database.append(source)
    return { reference, salt: file.salt }
  }

  async call<Name extends keyof RemoteCalls>(
    method: Name,
    args: Parameters<RemoteCalls[Name]>,
  ): Promise<Awaited<ReturnType<RemoteCalls[Name]>>> {
    if (!CALLS.has(method)) throw new TypeError(`no method of a database is called ${method}`)
    const call = this.#database[method] as (
      ...given: Parameters<RemoteCalls[Name]>
    ) => ReturnType<RemoteCalls[Name]>
    return await call.apply(this.#database, args)
  }
}
