/**
 * Documents as a transaction sees them in its turn. The engine's transaction reads entries of the trees that
 * earlier ones of the same group wrote, but not the bodies, which are in no file yet; those are kept here until their
 * transaction has settled. Attachments cannot be read this way.
 */
import type { Reference, Store, Transaction } from '../../../native-free-btree/index.ts'
import { REFERENCE_BYTES } from '../layout/stored-body.ts'
import type { DocumentSource } from '../read/reads.ts'

/** References for which there is room at first. */
const FIRST_REFERENCES = 4

/**
 * What one transaction appended. Bodies must not change until it has settled. References and places are kept, and no views: of thousands
 * of documents those would be copied by each collection of the young generation meanwhile.
 */
export class AppendedBodies {
  /** One behind the other. */
  #references = Buffer.allocUnsafe(FIRST_REFERENCES * REFERENCE_BYTES)
  #count = 0
  /** The memory that each body lies in, where it is another than that of the one before, and from which number on. */
  readonly #memories: ArrayBufferLike[] = []
  readonly #firsts: number[] = []
  readonly #offsets: number[] = []
  readonly #lengths: number[] = []

  add(reference: Reference, { buffer, byteOffset, length }: Uint8Array): void {
    const end = (this.#count + 1) * REFERENCE_BYTES
    if (end > this.#references.length) {
      const grown = Buffer.allocUnsafe(4 * this.#references.length)
      grown.set(this.#references)
      this.#references = grown
    }
    for (let i = 0; i < REFERENCE_BYTES; i++) this.#references[end - REFERENCE_BYTES + i] = reference[i]!
    if (this.#memories.at(-1) !== buffer) {
      this.#memories.push(buffer)
      this.#firsts.push(this.#count)
    }
    this.#offsets.push(byteOffset)
    this.#lengths.push(length)
    this.#count += 1
  }

  /** A copy of the body; undefined where it is none of these. */
  find(reference: Reference): Buffer | undefined {
    for (let number = 0; number < this.#count; number++) {
      const at = number * REFERENCE_BYTES
      if (this.#references.compare(reference, 0, reference.length, at, at + REFERENCE_BYTES) === 0) {
        return this.#copyOf(number)
      }
    }
    return undefined
  }

  #copyOf(number: number): Buffer {
    let memory = this.#firsts.length - 1
    while (this.#firsts[memory]! > number) memory -= 1
    const body = Buffer.from(this.#memories[memory]!, this.#offsets[number]!, this.#lengths[number]!)
    return Buffer.from(body)
  }
}

/** `unsettled` are the bodies of every transaction that was built and has not settled. */
export function turnSource(
  tx: Transaction,
  store: Pick<Store, 'values'>,
  revsLimit: number,
  unsettled: Iterable<AppendedBodies>,
): DocumentSource {
  const { values } = store
  return {
    revsLimit,
    get: (tree, key) => tx.get(tree, key),
    values: {
      isCurrent: values.isCurrent,
      salt: values.salt,
      hold: () => values.hold(),
      read(reference) {
        for (const bodies of unsettled) {
          const body = bodies.find(reference)
          if (body !== undefined) return body
        }
        return values.read(reference)
      },
      locate(bytes, offset) {
        const value = this.read(bytes.subarray(offset, offset + REFERENCE_BYTES))
        return { bytes: value, start: 0, end: value.length }
      },
      lengthOf: (reference) => values.lengthOf(reference),
      readStream: (reference, start, end) => values.readStream(reference, start, end),
    },
  }
}
