/**
 * Under which sync function a database's documents are, as one of its notes. What holds:
 * - The note names the function that is in force.
 * - While documents may have been written under another one, the database is marked, until a resynchronisation has ended.
 * - A resynchronisation that has begun has its place in the note, written in the transaction of what it did up to there.
 */
import { hash } from 'node:crypto'
import { noteEdit } from '../../channels/notes.ts'
import type { DocumentEdit } from '../../database/api/database.ts'
import type { LocalStore } from '../store/local-store.ts'

const NOTE = 'sync'

/** How far a resynchronisation has come. */
export interface ResyncPlace {
  /** All documents up to this sequence are under the function in force. */
  since: number
  /** Documents of which it said something else than before. */
  changes: number
}

interface StoredMark {
  /** SHA-256 of the function's text, in hexadecimal digits. */
  function: string
  isMixed: boolean
  /** One that has begun and not ended. */
  place: ResyncPlace | null
  /** Resynchronisations that have ended. */
  ended: number
}

export class SyncMark {
  readonly #local: LocalStore
  #stored: StoredMark | undefined

  constructor(local: LocalStore) {
    this.#local = local
  }

  load(): void {
    this.#stored = this.#local.note(NOTE) as StoredMark | undefined
  }

  /** Some documents may be under another function than the one in force. */
  get isMixed(): boolean {
    return this.#stored?.isMixed === true
  }

  /** Of a resynchronisation that has begun and not ended. */
  get place(): ResyncPlace | undefined {
    return this.#stored?.place ?? undefined
  }

  get ended(): number {
    return this.#stored?.ended ?? 0
  }

  /**
   * The function is in force from now on. What was resynchronised under another one has to be once more. A database that has no
   * mark is taken to be under this function. Resolves with whether the function is another one than before.
   */
  async take(source: string, hasDocuments: () => Promise<boolean>): Promise<boolean> {
    const digest = hash('sha256', source, 'hex')
    const before = this.#stored
    if (before?.function === digest) return false
    await this.#write(
      before === undefined
        ? { function: digest, isMixed: false, place: null, ended: 0 }
        : {
            ...before,
            function: digest,
            isMixed: before.isMixed || (await hasDocuments()),
            place: before.place === null ? null : { since: 0, changes: 0 },
          },
    )
    return before !== undefined
  }

  /** A resynchronisation begins, or goes on from where it was. */
  async begin(): Promise<ResyncPlace> {
    if (this.place === undefined) {
      await this.#write({ ...this.#required, isMixed: true, place: { since: 0, changes: 0 } })
    }
    return this.place!
  }

  /** What is to be written with the work that led there; `moved` is to be called when it is durable. */
  edit(place: ResyncPlace): { edit: DocumentEdit; moved(): void } {
    const next = { ...this.#required, place }
    return {
      edit: noteEdit(NOTE, JSON.stringify(next)),
      moved: () => {
        this.#stored = next
      },
    }
  }

  /** The resynchronisation has ended. */
  async end(): Promise<void> {
    const { ended } = this.#required
    await this.#write({ ...this.#required, isMixed: false, place: null, ended: ended + 1 })
  }

  get #required(): StoredMark {
    if (this.#stored === undefined) throw new Error('no sync function was ever in force')
    return this.#stored
  }

  async #write(next: StoredMark): Promise<void> {
    await this.#local.change([noteEdit(NOTE, JSON.stringify(next))])
    this.#stored = next
  }
}
