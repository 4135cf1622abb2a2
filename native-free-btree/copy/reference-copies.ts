/**
 * Where the values that references lead to are in the new file. A value that only one entry names is appended where
 * the entry is written. Of values that many entries name (`shared`) a table keeps where each went, in the new file's
 * own tree, so that each is copied once, also when the compaction is interrupted.
 */
import type { FileSnapshot, Reference, Transaction } from '../api.ts'
import { referenceLength } from '../page/reference.ts'
import { COMPACTION_TREE, type NewFile } from './new-file.ts'

/** A longer value is copied on its own, a chunk at a time. */
const LONG_BYTES = 1024 * 1024

/** Takes bytes, in a group that is being filled or in a transaction. */
export interface Appender {
  append(value: Uint8Array): Reference
}

/** Tells of every `LONG_BYTES` that passed. */
async function* inPieces(
  source: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => Promise<void>,
): AsyncGenerator<Buffer, void, void> {
  let bytes = 0
  for await (const chunk of source) {
    yield chunk
    bytes += chunk.length
    if (bytes < LONG_BYTES) continue
    await onBytes(bytes)
    bytes = 0
  }
  await onBytes(bytes)
}

const textOf = (reference: Uint8Array): string =>
  Buffer.from(reference.buffer, reference.byteOffset, reference.length).toString('latin1')

/** References to one position are to one value. */
const tableKey = (reference: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('a'), reference.subarray(0, 6)])

const asItIs = (value: Uint8Array): Uint8Array => value

export class ReferenceCopies {
  readonly #source: FileSnapshot
  readonly #file: NewFile
  /** Long values that are copied and not named yet, by their old references. */
  readonly #long = new Map<string, Reference>()
  /** Shared values that the new file's table does not hold yet, by their old references. */
  readonly #shared = new Map<string, Reference>()

  constructor(source: FileSnapshot, file: NewFile) {
    this.#source = source
    this.#file = file
  }

  /** An entry of the new file. */
  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.#file.get(tree, key)
  }

  /** Whether the value of the reference at `offset` of `bytes` is one of those that may have to be copied by `copyLong`. */
  isLong(bytes: Buffer, offset: number): boolean {
    return referenceLength(bytes, offset) > LONG_BYTES
  }

  /** Of references those whose values have to be copied by `copyLong` before they are named. */
  missing(references: readonly Reference[]): readonly Reference[] {
    if (references.length === 0) return references
    return references.filter(
      (reference) =>
        this.#source.lengthOf(reference) > LONG_BYTES &&
        !this.#long.has(textOf(reference)) &&
        this.sharedCopy(reference) === undefined,
    )
  }

  /** `onBytes` is awaited after each piece; what it throws ends the copy. */
  async copyLong(reference: Reference, onBytes: (bytes: number) => Promise<void>): Promise<void> {
    const key = Buffer.from(reference)
    if (this.#long.has(textOf(key))) return
    const readStream = (): AsyncGenerator<Buffer, void, void> =>
      inPieces(this.#source.readStream(key), onBytes)
    this.#long.set(textOf(key), await this.#file.copyLong({ readStream }, key))
  }

  /** Length of the value that a reference names, of either file. */
  lengthOf(reference: Reference): number {
    return this.#source.lengthOf(reference)
  }

  /**
   * Copies the value, or names the copy that `copyLong` made. `change` gives what is appended in the place of a value that is
   * not long.
   */
  copy(
    appender: Appender,
    reference: Reference,
    change: (value: Uint8Array) => Uint8Array = asItIs,
  ): Reference {
    const long = this.#long.size === 0 ? undefined : this.#takeLong(reference)
    if (long !== undefined) return long
    // Appending copies it before anything else is read.
    const { bytes, start, end } = this.#source.locate(reference, 0)
    return appender.append(change(bytes.subarray(start, end)))
  }

  #takeLong(reference: Reference): Reference | undefined {
    const key = textOf(reference)
    const long = this.#long.get(key)
    this.#long.delete(key)
    return long
  }

  /** The copy of a value that many entries may name, which is made with the first of them. */
  shared(appender: Appender, reference: Reference): Reference {
    let copy = this.sharedCopy(reference)
    if (copy === undefined) {
      copy = this.copy(appender, reference)
      this.#shared.set(textOf(reference), copy)
    }
    return copy
  }

  /** That copy; undefined while no entry has named it. */
  sharedCopy(reference: Reference): Reference | undefined {
    return this.#shared.get(textOf(reference)) ?? this.#file.get(COMPACTION_TREE, tableKey(reference))
  }

  /** Commits the table with a mark: what the mark counts on is found again by whoever goes on from it. */
  saveTable(tx: Transaction): void {
    for (const [text, reference] of this.#shared) {
      tx.put(COMPACTION_TREE, tableKey(Buffer.from(text, 'latin1')), reference)
    }
  }

  /** The mark is durable. */
  tableSaved(): void {
    this.#shared.clear()
  }
}
