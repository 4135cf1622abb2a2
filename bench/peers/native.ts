/**
 * native-free-btree with two trees, as a document database keeps them: `id` maps a key to its change's number
 * (6 bytes) and the body's reference (16), `seq` maps the number to the reference and the key. A body is
 * appended once. An update reads the old entry of `id` to remove that of `seq`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Cursor,
  openStore,
  PageCache,
  type Store,
  type StoreOptions,
  type Transaction,
} from '../../native-free-btree/index.ts'
import type {
  Engine,
  OpenOptions,
  Operation,
  ScanOptions,
  StoreAdapter,
} from '../../src/lab/peers/adapter.ts'
import { repositoryRoot } from '../../src/lab/peers/packages.ts'

const SEQ_BYTES = 6
const REFERENCE_BYTES = 16
/** Bytes in a group beside a document's own, roughly. */
const HINT_BYTES = 128

export class NativeAdapter implements StoreAdapter {
  readonly store: Store
  #nextSeq: number
  /** Where an entry of `id` is read to: the change's number, and the body's reference. */
  readonly #found = Buffer.alloc(SEQ_BYTES + REFERENCE_BYTES)
  readonly #foundSeq = this.#found.subarray(0, SEQ_BYTES)
  readonly #foundReference = this.#found.subarray(SEQ_BYTES)
  /** What is put into `id`, and its number alone; what is put into `seq`, as long as the last one. */
  readonly #entry = Buffer.alloc(SEQ_BYTES + REFERENCE_BYTES)
  readonly #seq = this.#entry.subarray(0, SEQ_BYTES)
  #change = Buffer.alloc(REFERENCE_BYTES)

  constructor(store: Store) {
    this.store = store
    const snapshot = store.snapshot()
    const newest = snapshot.tree('seq').cursor({ reverse: true })
    this.#nextSeq = newest.next() ? newest.key().readUIntBE(0, SEQ_BYTES) + 1 : 1
    snapshot.close()
  }

  commit(operations: readonly Operation[]): Promise<void> {
    let sizeHint = 0
    for (const { key, value } of operations) sizeHint += HINT_BYTES + key.length + (value?.length ?? 0)
    return this.store.transact((tx) => this.#apply(tx, operations), { sizeHint })
  }

  #apply(tx: Transaction, operations: readonly Operation[]): void {
    const entry = this.#entry
    for (const { key, value } of operations) {
      if (tx.getInto('id', key, this.#found) >= 0) tx.delete('seq', this.#foundSeq)
      if (value === undefined) {
        tx.delete('id', key)
        continue
      }
      const reference = tx.append(value)
      entry.writeUIntBE(this.#nextSeq++, 0, SEQ_BYTES)
      entry.set(reference, SEQ_BYTES)
      tx.put('id', key, entry)
      const change = this.#changeFor(key.length)
      change.set(reference, 0)
      change.set(key, REFERENCE_BYTES)
      tx.put('seq', this.#seq, change)
    }
  }

  #changeFor(keyBytes: number): Buffer {
    const bytes = REFERENCE_BYTES + keyBytes
    if (this.#change.length !== bytes) this.#change = Buffer.alloc(bytes)
    return this.#change
  }

  get(key: Buffer): Buffer | undefined {
    return this.store.getInto('id', key, this.#found) < 0 ? undefined : this.store.read(this.#foundReference)
  }

  async scan(visit: (key: Buffer, value: Buffer) => void, options: ScanOptions = {}): Promise<number> {
    const { order = 'id', start, limit = Number.POSITIVE_INFINITY } = options
    const snapshot = this.store.snapshot()
    try {
      const cursor = snapshot.tree(order).cursor({ start })
      return order === 'id' ? this.#scanIds(cursor, limit, visit) : this.#scanChanges(cursor, limit, visit)
    } finally {
      snapshot.close()
    }
  }

  #scanIds(cursor: Cursor, limit: number, visit: (key: Buffer, value: Buffer) => void): number {
    let count = 0
    for (; count < limit && cursor.next(); count++) {
      visit(cursor.key(), this.store.read(cursor.value().subarray(SEQ_BYTES)))
    }
    return count
  }

  #scanChanges(cursor: Cursor, limit: number, visit: (key: Buffer, value: Buffer) => void): number {
    let count = 0
    for (; count < limit && cursor.next(); count++) {
      const change = cursor.value()
      visit(change.subarray(REFERENCE_BYTES), this.store.read(change.subarray(0, REFERENCE_BYTES)))
    }
    return count
  }

  bytesWritten(): Record<string, number> {
    const counted: Record<string, number> = {}
    for (const [name, value] of Object.entries(this.store.stats())) {
      if (name.endsWith('BytesWritten') && typeof value === 'number') counted[name] = value
    }
    return counted
  }

  isCheckpointing(): boolean {
    return this.store.stats().checkpointRunning
  }

  async close(): Promise<void> {
    await this.store.close()
  }
}

/** `more` goes to `openStore` as it is. */
export async function openNative(
  path: string,
  { cacheBytes }: OpenOptions,
  more: StoreOptions = {},
): Promise<NativeAdapter> {
  const store = await openStore(path, {
    ...more,
    trees: { id: {}, seq: {} },
    cache: new PageCache(cacheBytes),
  })
  return new NativeAdapter(store)
}

export function nativeEngine(): Engine {
  const manifest = readFileSync(join(repositoryRoot(), 'package.json'), 'utf8')
  return {
    name: 'native-free-btree',
    version: (JSON.parse(manifest) as { version: string }).version,
    durability: 'one write and one fdatasync for each group of transactions',
    orders: ['id', 'seq'],
    open: openNative,
  }
}
