/**
 * Documents as a transaction sees them in its turn. The engine's transaction reads entries of the trees that
 * earlier ones of the same group wrote, but not the bodies, which are in no file yet; those are kept here until their
 * transaction has settled. Attachments cannot be read this way.
 */
import type { Reference, Store, Transaction } from '../../../native-free-btree/index.ts'
import { REFERENCE_BYTES } from '../layout/stored-body.ts'
import type { DocumentSource } from '../read/reads.ts'

/** What one transaction appended. Bodies must not change until it has settled. */
export class AppendedBodies {
  readonly #references: Reference[] = []
  readonly #bodies: Uint8Array[] = []

  add(reference: Reference, body: Uint8Array): void {
    this.#references.push(reference)
    this.#bodies.push(body)
  }

  /** A copy of the body; undefined where it is none of these. */
  find(reference: Reference): Buffer | undefined {
    const at = this.#references.findIndex((each) => Buffer.compare(each, reference) === 0)
    return at < 0 ? undefined : Buffer.from(this.#bodies[at]!)
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
