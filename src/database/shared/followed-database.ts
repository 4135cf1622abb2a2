/**
 * One database in a thread that does not write it: reads over a store that follows the writer's, writes by the writer's
 * thread. Whatever can be done here is: edits are made ready, attachments hashed and packed. What holds:
 * - A read sees every write that was acknowledged before it, to whomever, unless `isFresh` is false; then `refresh` is due.
 * - References that edits bring carry the salt of their file. The writer refuses one of another file than its own, and the
 *   bytes are read here, from the file that they were named from, and brought.
 */
import type { Follower, ValueSource } from '../../../native-free-btree/index.ts'
import type { Clock } from '../../base/clock.ts'
import type { Compression } from '../../base/compression.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Metrics } from '../../base/metrics.ts'
import type {
  Database,
  DocumentEdit,
  DocumentView,
  EditResult,
  PurgedRevisions,
  PurgeRequest,
  UpdateOptions,
} from '../api/database.ts'
import type { RemoteContent, RemoteWriter, SharedDatabase } from '../api/remote-writer.ts'
import { type ByteSource, type IncomingAttachment, takeAttachment } from '../attachments/content.ts'
import { awaiting, reading } from '../errors/layer-errors.ts'
import type { AttachmentContent } from '../layout/attachment-records.ts'
import { SequenceCodec } from '../layout/sequence.ts'
import { OpenStore } from '../read/open-store.ts'
import { SettingsView } from '../read/settings-view.ts'
import { DatabaseWords } from '../read/words.ts'
import { ReadingDatabase } from '../reading-database.ts'
import type { PackedResults } from '../write/apply-packed.ts'
import { EditPath } from '../write/edit-path.ts'
import { type EditContext, type ReadyEdits, readyOne } from '../write/edits.ts'
import { holdContent, type PlacedEdit } from '../write/moved-content.ts'
import type { PackedEdits } from '../write/packed-edits.ts'
import { offerPacked } from '../write/packed-way.ts'
import { updateWinner } from '../write/winner-edits.ts'
import { GatheredEdits } from './gathered-edits.ts'
import { decodePackedResults, decodeResults } from './result-codec.ts'
import { encodeEdits, placesOf } from './update-codec.ts'

export interface FollowedParts {
  clock: Pick<Clock, 'now'>
  /** Takes what is counted. */
  metrics: Metrics
  /** Of bodies that are written now. */
  compression: () => Compression
  /** Runs once, when the database has been closed here. */
  onClosed: () => void
}

export class FollowedDatabase extends ReadingDatabase implements Database {
  readonly #store: OpenStore<Follower>
  readonly #writer: RemoteWriter
  readonly #edits: EditPath
  /** Undefined: each goes alone, since partitions may be full. */
  readonly #gathered: GatheredEdits | undefined
  readonly #onClosed: () => void
  /** By id: the last of the edits in turn that wait for each other; never rejects. */
  readonly #turns = new Map<string, Promise<unknown>>()
  /** Number of the last change that listeners were told of. */
  #told: number

  /** `openFollowed` makes these. */
  constructor(
    follower: Follower,
    { name, record, epochs, words: buffer }: SharedDatabase,
    writer: RemoteWriter,
    { clock, metrics, compression, onClosed }: FollowedParts,
  ) {
    const store = new OpenStore(follower)
    const words = new DatabaseWords(buffer)
    const settings = new SettingsView(store, words)
    super({ name, record, store, settings, sequences: SequenceCodec.of(Buffer.from(epochs)), words, metrics })
    this.#store = store
    this.#writer = writer
    this.#onClosed = onClosed
    this.#told = words.updateSeq
    this.#gathered = record.properties.partitioned
      ? undefined
      : new GatheredEdits(writer, (edit, context) => this.#writeAlone(edit, context))
    this.#edits = new EditPath({
      writer: {
        write: (part, results, allOrNothing) => this.#write(part, results, allOrNothing),
        writePacked: (edits) => this.#writePacked(edits),
        writeOne: (edit, context) => this.#writeOne(edit, context),
        append: async (source) => {
          const { reference, salt } = await this.#append(source)
          return { reference, source: { salt } }
        },
      },
      database: this,
      partitioned: record.properties.partitioned,
      clock,
      compression,
    })
    offerPacked(this, this.#edits)
  }

  /** The writer, behind all that it was to be told before. */
  get #line(): RemoteWriter {
    this.#gathered?.send()
    return this.#writer
  }

  async refresh(): Promise<void> {
    const store = this.#store.get()
    if (store.isFresh) return
    await awaiting(store.catchUp())
    // Who only reads does not wait for it.
    void this.#lookAtSettledRules()
  }

  override async learnRules(): Promise<void> {
    await this.refresh()
    await this.#lookAtSettledRules()
  }

  /** They are read of a whole tree, which holds up others where much has to be moved into it first. Never rejects. */
  async #lookAtSettledRules(): Promise<void> {
    if (this.hasFreshRules || !this.isFresh) return
    try {
      const settling = this.settle()
      if (settling !== undefined) await settling
    } catch {
      // Looking at them says the same.
    }
    this.lookAtRules()
  }

  override settle(): Promise<void> | undefined {
    return reading(() => {
      const settling = this.#store.get().settle()
      return settling && awaiting(settling)
    })
  }

  /** To be called when the writer's thread has told of changes: listeners hear of them. */
  changed(): void {
    const last = this.updateSeqNumber
    if (last <= this.#told) return
    this.#told = last
    this.noteChange()
  }

  update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    return this.#edits.update(edits, options)
  }

  /** Throws databaseClosed. */
  #write(part: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void> {
    this.#store.get()
    return this.#line
      .update(encodeEdits(part), { allOrNothing })
      .then((answer) => decodeResults(answer, placesOf(part), results))
  }

  /** Throws databaseClosed. */
  #writeOne(edit: PlacedEdit, context: EditContext): Promise<EditResult> | undefined {
    this.#store.get()
    return this.#gathered?.write(edit, context)
  }

  async #writeAlone(edit: PlacedEdit, context: EditContext): Promise<EditResult> {
    const results: EditResult[] = []
    await this.#write(
      reading(() => readyOne(edit, context)),
      results,
      false,
    )
    return results[0]!
  }

  async #writePacked(edits: PackedEdits): Promise<PackedResults> {
    this.#store.get()
    const answer = await this.#line.updatePacked(edits.bytes)
    edits.moved(answer.edits)
    const idOf = (number: number): string => edits.key(edits.start(number)).toString()
    return decodePackedResults(answer.results, edits.count, idOf)
  }

  async updateInTurn(
    id: string,
    make: (winner: DocumentView) => DocumentEdit,
    { check }: Pick<UpdateOptions, 'check'> = {},
  ): Promise<EditResult> {
    this.requireReadable(id)
    const before = this.#turns.get(id)
    const run = (): Promise<EditResult> => updateWinner(this, this.#edits, id, make, check)
    const turn = before === undefined ? run() : before.then(run)
    const settled = turn.then(
      () => undefined,
      () => undefined,
    )
    this.#turns.set(id, settled)
    try {
      return await turn
    } finally {
      if (this.#turns.get(id) === settled) this.#turns.delete(id)
    }
  }

  async takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent> {
    this.#store.get()
    const append = (bytes: AsyncIterable<Uint8Array>) => this.#appendNew(bytes)
    const content = await awaiting(takeAttachment(append, source, incoming))
    holdContent(content)
    return content
  }

  async #append(source: AsyncIterable<Uint8Array>): Promise<RemoteContent> {
    this.#store.get()
    return this.#line.appendStream(source)
  }

  /** Throws storageUnavailable where two compactions ended within one upload. */
  async #appendNew(source: AsyncIterable<Uint8Array>) {
    const before = this.#store.get().values
    const release = before.hold()
    try {
      const { reference, salt } = await this.#append(source)
      return { reference, source: await this.#fileOf(salt, before) }
    } finally {
      release()
    }
  }

  /** The file of the writer, as this thread has it open: `before`, the present one, or the one that follows that. */
  async #fileOf(salt: bigint, before: ValueSource): Promise<ValueSource> {
    if (before.salt === salt) return before
    const store = this.#store.get()
    if (store.values.salt !== salt) await this.refresh()
    const { values } = store
    if (values.salt === salt) return values
    throw new DatabaseError('storageUnavailable', 'Compactions replaced the file of an attachment meanwhile.')
  }

  purge(requests: readonly PurgeRequest[]): Promise<PurgedRevisions[]> {
    return this.#line.call('purge', [requests])
  }

  putLocal(id: string, body: Uint8Array, rev: string | undefined): Promise<string> {
    return this.#line.call('putLocal', [id, ownBytes(body), rev])
  }

  deleteLocal(id: string, rev: string | undefined): Promise<string> {
    return this.#line.call('deleteLocal', [id, rev])
  }

  setSecurity(body: Uint8Array): Promise<void> {
    return this.#line.call('setSecurity', [ownBytes(body)])
  }

  setRevsLimit(limit: number): Promise<void> {
    return this.#line.call('setRevsLimit', [limit])
  }

  setPurgedInfosLimit(limit: number): Promise<void> {
    return this.#line.call('setPurgedInfosLimit', [limit])
  }

  ensureFullCommit(): Promise<void> {
    return this.#line.call('ensureFullCommit', [])
  }

  /** Leaves the writer's thread as it is. `timeoutMs` is how long to wait for rows that are still being read. */
  async close(timeoutMs = 0): Promise<void> {
    this.#store.beginClosing()
    this.forgetListeners()
    try {
      await this.#store.close(timeoutMs)
    } finally {
      this.#onClosed()
    }
  }
}

/** A copy alone in its memory: a view is cloned with all that it is a view of. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
